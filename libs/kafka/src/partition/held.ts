import { CorruptBatchError, MalformedError } from "../errors.ts";
import type { PartitionRecord } from "../api.ts";
import type { Fetched } from "../fetcher.ts";
import { batchesOf, type Batch } from "../wire/batch.ts";
import { makeCommittedFilter } from "../wire/committed.ts";
import { decodeRecords } from "../wire/record.ts";
import type { UnpackedMemory } from "./unpacked-memory.ts";

/** Unpacked bytes after which a result is long enough. */
const RESULT_BYTES = 512 * 1024;

/** Records out of one answer, as far as they went. */
export interface Taken {
  readonly records: readonly PartitionRecord[];
  readonly nextOffset: bigint;
  readonly bytes: number;
  /** The batch behind them cannot be read. */
  readonly damage:
    | { readonly batch: Batch; readonly following: Batch | undefined; readonly error: Error }
    | undefined;
}

/** What an answer brought for one partition, until it is delivered: unpacked bit by bit. */
export class Held {
  readonly answer: Fetched["answer"];
  /** What it takes of the buffer. */
  readonly bytes: number;
  readonly #where: string;
  readonly #batches: readonly Batch[];
  readonly #isCommitted: (batch: Batch) => boolean;
  #at = 0;
  #next: bigint;

  constructor({ subscription, from, batches, answer }: Fetched) {
    this.answer = answer;
    this.bytes = answer.records?.length ?? 0;
    this.#where = `${subscription.topic}-${subscription.partition}`;
    this.#batches = batches;
    this.#isCommitted = makeCommittedFilter(answer.aborted);
    this.#next = from;
  }

  get isDone(): boolean {
    return this.#at >= this.#batches.length;
  }

  /**
   * The next records. What is damaged stays in front: everything before it goes out first.
   *
   * @param memory gets what compressed batches are unpacked to
   */
  take(memory: UnpackedMemory): Taken {
    const records: PartitionRecord[] = [];
    let bytes = 0;
    let damage: Taken["damage"];
    while (bytes < RESULT_BYTES && !damage) {
      const batch = this.#batches[this.#at];
      if (!batch) break;
      try {
        if (this.#isCommitted(batch)) bytes += this.#decode(batch, records, memory);
        this.#next = batch.lastOffset + 1n;
        this.#at += 1;
      } catch (error) {
        damage = { batch, following: this.#batches[this.#at + 1], error: error as Error };
      }
    }
    return { records, nextOffset: this.#next, bytes, damage };
  }

  /** @throws CorruptBatchError, MalformedError, and then adds nothing */
  #decode(batch: Batch, records: PartitionRecord[], memory: UnpackedMemory): number {
    batch.verify(this.#where);
    const before = records.length;
    let bytes = 0;
    let last = batch.baseOffset - 1n;
    for (const record of decodeRecords(batch, (unpacked) => memory.take(unpacked))) {
      if (record.offset <= last || record.offset > batch.lastOffset) {
        records.length = before;
        throw new MalformedError(
          `decode the batch at offset ${batch.baseOffset} of ${this.#where}: record ${record.offset} stands behind ${last}, in a batch that ends at ${batch.lastOffset}`,
        );
      }
      last = record.offset;
      if (record.offset < this.#next) continue;
      records.push(record);
      bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
    }
    return bytes;
  }
}

/** The same with memory of its own, so that the frame of the whole answer can go. */
export function copied(fetched: Fetched): Fetched {
  const { answer, from } = fetched;
  if (answer.records === null) return fetched;
  const records = Buffer.from(answer.records);
  return { ...fetched, answer: { ...answer, records }, batches: wholeBatches(records, from) };
}

/** Those before a damage; whoever reads on finds that again. */
function wholeBatches(records: Buffer, from: bigint): Batch[] {
  const batches: Batch[] = [];
  try {
    for (const batch of batchesOf(records, from)) batches.push(batch);
  } catch {
    return batches;
  }
  return batches;
}

export function isDamage(error: unknown): boolean {
  return error instanceof CorruptBatchError || error instanceof MalformedError;
}
