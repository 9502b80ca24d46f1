import { errorCode, type ProducedPartition } from "@hybridge/kafka/raw";
import type { SentBatch } from "./in-flight.ts";
import type { Remedy, Sendable } from "./shape.ts";

/** What is wrong is in the batch. */
const IN_THE_BATCH: ReadonlySet<number> = new Set([
  errorCode.corruptMessage,
  errorCode.invalidRecord,
  errorCode.invalidTimestamp,
]);

/** @returns undefined when other cuts would not help */
export function remedyFor(sent: SentBatch, answer: ProducedPartition): Remedy | undefined {
  const { error, message, recordErrors } = answer;
  if (error === errorCode.messageTooLarge || error === errorCode.recordListTooLarge) {
    return { refused: new Map(), isSuspect: false, tooLarge: sent.bytes.length };
  }
  if (!IN_THE_BATCH.has(error)) return undefined;
  const reason = message ?? "the target refused it";
  const offsets = [...sourceOffsetsOf(sent.parts)];
  const [only] = offsets;
  if (only !== undefined && offsets.length === 1) {
    return { refused: new Map([[only, reason]]), isSuspect: false };
  }
  // Since Kafka 2.4 the broker names every record that it refuses (KIP-467).
  const refused = new Map<bigint, string>();
  for (const { index, message: detail } of recordErrors) {
    const offset = offsets[index];
    if (offset !== undefined) refused.set(offset, detail ?? reason);
  }
  return { refused, isSuspect: refused.size === 0 };
}

/** True for the answer to a batch that stands behind a refused one: the broker misses a sequence. */
export function isBehindRefused(error: number): boolean {
  return error === errorCode.outOfOrderSequence || IN_THE_BATCH.has(error);
}

function* sourceOffsetsOf(parts: readonly Sendable[]): Generator<bigint> {
  for (const { runs } of parts) {
    for (const { sourceOffset, count } of runs) {
      for (let index = 0; index < count; index++) yield sourceOffset + BigInt(index);
    }
  }
}
