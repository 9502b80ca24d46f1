import { readBatches, scanRecords, type RawRecord } from "@hybridge/kafka/raw";
import { TargetDivergedError } from "../errors.ts";
import { SourceCursor } from "./source-cursor.ts";
import type { Tail } from "./tail.ts";

/** Where the source goes on, and the leader epoch of the record before it (-1: not known). */
export interface Found {
  readonly next: bigint;
  readonly epoch: number;
}

/**
 * Finds out how much of the source is in the target already: from the last written position on,
 * the target's batches are compared with the source's until the target ends. The target log is
 * thereby the checkpoint, and what is written about it needs no care.
 *
 * Batches that went across as they were are compared by count, time and payload checksum, from
 * their headers alone; others record by record. What is found is added to the positions.
 *
 * Either log may have lost records since: by retention at its beginning, by compaction anywhere.
 * Then its offsets have gaps, and a gap of n offsets excuses at most n records that only the other
 * side holds. Everything else that differs is a divergence.
 *
 * @throws TargetDivergedError when the target holds something else
 */
export async function compareTail(tail: Tail, signal: AbortSignal): Promise<Found> {
  const { route, ledger, targetFrom, targetStart } = tail;
  const from = targetFrom > targetStart ? targetFrom : targetStart;
  const at = { topic: route.targetTopic, partition: route.partition, from, to: tail.targetEnd };
  const batches = readBatches(
    tail.target,
    { ...at, committedOnly: false, withControl: true },
    signal,
  );
  await using source = new SourceCursor(tail, signal);
  const gaps = new Gaps(tail);
  let found: Found = { next: tail.sourceFrom, epoch: ledger.end?.epoch ?? -1 };
  for await (const batch of batches) {
    if (batch.isControl) {
      gaps.passed(batch.baseOffset, batch.lastOffset);
      continue;
    }
    if (batch.count === 0) continue;
    if (gaps.hasNoneBefore(batch.baseOffset) && (await source.matchesWhole(batch))) {
      ledger.add({
        sourceOffset: source.offset,
        targetOffset: batch.baseOffset,
        count: BigInt(batch.count),
        epoch: source.epoch,
      });
      found = { next: source.offset + BigInt(batch.count), epoch: source.epoch };
      source.nextBatch();
      gaps.matched(found.next, batch.lastOffset);
      continue;
    }
    for (const record of scanRecords(batch)) {
      if (record.offset < from) continue;
      const match = await matchRecord(tail, source, gaps, record);
      if (match === undefined) continue;
      const { offset: sourceOffset, epoch } = match;
      ledger.add({ sourceOffset, targetOffset: record.offset, count: 1n, epoch });
      found = { next: match.offset + 1n, epoch: match.epoch };
      gaps.matched(found.next, record.offset);
    }
  }
  return found;
}

/** The source record that this one is; undefined when the source holds it no longer. */
async function matchRecord(
  tail: Tail,
  source: SourceCursor,
  gaps: Gaps,
  record: RawRecord,
): Promise<{ offset: bigint; epoch: number } | undefined> {
  gaps.passed(record.offset, record.offset);
  const missing = await gaps.missingInTarget();
  const current = (await source.peek())?.offset ?? tail.sourceEnd;
  // Records may be alike to the byte: the one that the offsets point at goes before the others.
  const likely = missing - gaps.missingInSource(current);
  const match = await source.take(record, missing, likely);
  if (match) return match;
  if (await gaps.excuses(current)) return undefined;
  const { targetTopic, sourceTopic, partition } = tail.route;
  throw new TargetDivergedError(
    `compare the end of ${targetTopic}-${partition} with ${sourceTopic}-${partition}: ` +
      `the record at target offset ${record.offset} is not ` +
      (current >= tail.sourceEnd
        ? "in the source, which ends before it"
        : `the one at source offset ${current}`) +
      "; check whether something else writes to the target topic, or the source topic was changed",
  );
}

/** Counts the offsets that have no record any more, on both sides, since the last match. */
class Gaps {
  readonly #tail: Tail;
  #sourceNext: bigint;
  #targetNext: bigint;
  #missingInTarget = 0n;
  #hasMatched = false;
  /** Records that only the target holds. */
  #excused = 0n;

  constructor(tail: Tail) {
    this.#tail = tail;
    this.#sourceNext = tail.sourceFrom;
    this.#targetNext = tail.targetFrom;
  }

  /** The target's offsets from `first` to `last` are there. */
  passed(first: bigint, last: bigint): void {
    if (first > this.#targetNext) this.#missingInTarget += first - this.#targetNext;
    this.#targetNext = last + 1n;
  }

  /** True when the target still holds whatever it was sent before this offset. */
  hasNoneBefore(targetOffset: bigint): boolean {
    return this.#missingInTarget === 0n && targetOffset <= this.#targetNext;
  }

  matched(sourceNext: bigint, targetLast: bigint): void {
    this.#sourceNext = sourceNext;
    this.#targetNext = targetLast + 1n;
    this.#missingInTarget = 0n;
    this.#hasMatched = true;
    this.#excused = 0n;
  }

  /** How many source records may be absent from the target here. */
  async missingInTarget(): Promise<bigint> {
    if (this.#missingInTarget === 0n) return 0n;
    const { targetFrom, targetStart, isCompacted } = this.#tail;
    const isRetention = !this.#hasMatched && targetStart > targetFrom;
    return isRetention || (await isCompacted("target")) ? this.#missingInTarget : 0n;
  }

  /** How many offsets of the source have no record between the last match and `current`. */
  missingInSource(current: bigint): bigint {
    return current - this.#sourceNext;
  }

  /** True when the source has lost a record between the last match and `current`. */
  async excuses(current: bigint): Promise<boolean> {
    const { followsFormerTopic, sourceStart, isCompacted } = this.#tail;
    if (followsFormerTopic && this.#sourceNext === this.#tail.sourceFrom) return true;
    if (this.missingInSource(current) <= this.#excused) return false;
    if (this.#sourceNext >= sourceStart && !(await isCompacted("source"))) return false;
    this.#excused += 1n;
    return true;
  }
}
