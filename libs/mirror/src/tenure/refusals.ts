import { errorCode, type ProducedPartition } from "@hybridge/kafka/raw";
import type { SentBatch } from "./in-flight.ts";

/** What is wrong is in the batch: the next attempt looks into it. */
const IN_THE_BATCH: ReadonlySet<number> = new Set([
  errorCode.corruptMessage,
  errorCode.invalidRecord,
  errorCode.invalidTimestamp,
]);

/** What the target has refused, and how the next attempt has to be cut because of it. */
export class Refusals {
  /** By source offset: records that were refused alone, and why. */
  readonly records = new Map<bigint, string>();
  #suspect: bigint | undefined;
  #bytes = Infinity;

  /** The first source offset of a batch with a record that was refused; it is sent record by record. */
  get suspect(): bigint | undefined {
    return this.#suspect;
  }

  /** What a batch may have, by the topic's setting and by what was refused in spite of it. */
  bytesMax(setting: number): number {
    return Math.min(setting, this.#bytes - 1);
  }

  /** True when the same records can be sent again in another cut. */
  learn({ parts, bytes }: SentBatch, { error, message }: ProducedPartition): boolean {
    if (error === errorCode.messageTooLarge || error === errorCode.recordListTooLarge) {
      this.#bytes = bytes.length;
      return true;
    }
    const offset = parts[0]?.runs[0]?.sourceOffset;
    if (offset === undefined) return false;
    if (!IN_THE_BATCH.has(error)) return false;
    const only = parts.length === 1 && parts[0]?.count === 1;
    if (only) this.records.set(offset, message ?? "the target refused it");
    else this.#suspect = offset;
    return true;
  }
}
