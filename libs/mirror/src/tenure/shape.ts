import type { RecordToSend } from "@hybridge/kafka";
import {
  decodeRecords,
  joinRecords,
  MalformedError,
  scanRecords,
  type Batch,
  type RawRecord,
} from "@hybridge/kafka/raw";

/** `count` records from `sourceOffset` on, without a gap. */
export interface SourceRun {
  readonly sourceOffset: bigint;
  readonly count: number;
}

/** A batch as it can be produced, but for its stamp. */
export interface Sendable {
  readonly kind: "batch";
  readonly bytes: Buffer;
  readonly count: number;
  /** The source offsets of its records, in order. */
  readonly runs: readonly SourceRun[];
  /** The source's leader epoch under which it was written. */
  readonly epoch: number;
  /** The source offset after it. */
  readonly next: bigint;
  /** Not to be joined with others: it is being found out which record the target refuses. */
  readonly alone?: boolean;
}

/** What the target cannot take: a record, or a whole batch whose records cannot be trusted. */
export interface Rejected {
  readonly kind: "rejected";
  readonly offset: bigint;
  /** Source offsets from `offset` on that it stands for. */
  readonly count: number;
  readonly record: RecordToSend;
  readonly reason: string;
}

export interface ShapeOptions {
  /** Records before this source offset are not wanted: a fetch answers with whole batches. */
  readonly from: bigint;
  /** What the target takes, in bytes per batch. */
  readonly bytesMax: number;
  /** Source offsets of records that the target refused. */
  readonly refused: ReadonlyMap<bigint, string>;
  /** A source offset in a batch that the target refused: send the batch's records one by one. */
  readonly suspect: bigint | undefined;
}

const BAD_CHECKSUM =
  "the batch does not match its CRC-32C (KAFKA_CORRUPT_BATCH): check the disk of the source broker";

/**
 * Makes of a source batch what goes to the target: nearly always the batch itself, untouched.
 * Records are looked at only when the batch
 * - was compacted: the broker wants `lastOffsetDelta == count - 1`, and would accept an
 *   uncompressed batch with inner gaps and hand out its offsets twice;
 * - has the log append time: the target would show the producers' times instead;
 * - begins before the position, is too large, or was refused.
 *
 * A batch whose checksum is wrong is never packed anew, which would bless its bytes: it is rejected
 * as it is. (One that goes untouched is checked by the target.)
 */
export function shape(batch: Batch, options: ShapeOptions): (Sendable | Rejected)[] {
  if (batch.count === 0) return [];
  const isSuspect =
    options.suspect !== undefined &&
    batch.baseOffset <= options.suspect &&
    options.suspect <= batch.lastOffset;
  const isPlain =
    batch.isDense &&
    !batch.isLogAppendTime &&
    batch.baseOffset >= options.from &&
    batch.bytes.length <= options.bytesMax &&
    !isSuspect &&
    options.refused.size === 0;
  if (isPlain) {
    const { baseOffset, count } = batch;
    return [asItIs(batch, [{ sourceOffset: baseOffset, count }])];
  }
  if (!batch.isIntact) return [rejectWhole(batch, BAD_CHECKSUM)];
  let all: readonly RawRecord[];
  try {
    all = scanRecords(batch);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return [rejectWhole(batch, error.message)];
  }
  const records = all.filter(
    ({ offset }) => offset >= options.from && !options.refused.has(offset),
  );
  const parts: (Sendable | Rejected)[] = [];
  const refused = all.filter(({ offset }) => offset >= options.from && options.refused.has(offset));
  for (const { offset } of refused) {
    parts.push(reject(batch, offset, options.refused.get(offset) ?? "refused"));
  }
  const next = batch.lastOffset + 1n;
  if (isSuspect) {
    for (const record of records) {
      const [part] = cut(batch, [record], options.bytesMax, record.offset + 1n);
      if (part) parts.push(part.kind === "batch" ? { ...part, alone: true } : part);
    }
  } else if (
    records.length === all.length &&
    !batch.isLogAppendTime &&
    batch.bytes.length <= options.bytesMax &&
    hasOnlyTailGap(records, batch.baseOffset)
  ) {
    parts.push(asItIs(batch, runsOf(records)));
  } else if (records.length > 0) parts.push(...cut(batch, records, options.bytesMax, next));
  return parts.sort((a, b) => (firstOffset(a) < firstOffset(b) ? -1 : 1));
}

/** The first source offset that a part is about. */
export function firstOffset(part: Sendable | Rejected): bigint {
  return part.kind === "batch" ? (part.runs[0]?.sourceOffset ?? part.next) : part.offset;
}

function asItIs(batch: Batch, runs: readonly SourceRun[]): Sendable {
  return sendable(batch, batch.bytes, runs, batch.lastOffset + 1n);
}

function sendable(from: Batch, bytes: Buffer, runs: readonly SourceRun[], next: bigint): Sendable {
  let count = 0;
  for (const run of runs) count += run.count;
  return { kind: "batch", bytes, count, runs, next, epoch: from.leaderEpoch };
}

/** The stamp writes lastOffsetDelta, so a gap behind the last record needs no new encoding. */
function hasOnlyTailGap(records: readonly RawRecord[], baseOffset: bigint): boolean {
  const last = records.at(-1);
  return last !== undefined && last.offset - baseOffset === BigInt(records.length - 1);
}

/** Joins records into one batch if it fits, else into two, and so on. */
function cut(
  batch: Batch,
  records: readonly RawRecord[],
  bytesMax: number,
  next: bigint,
): (Sendable | Rejected)[] {
  const [first] = records;
  if (first === undefined) return [];
  const bytes = joinRecords(records, batch.codec);
  if (bytes.length <= bytesMax) return [sendable(batch, bytes, runsOf(records), next)];
  if (records.length === 1) {
    const reason = `${bytes.length} bytes, the target takes ${bytesMax}`;
    return [reject(batch, first.offset, reason)];
  }
  const half = records.length >> 1;
  const middle = records[half]?.offset ?? next;
  return [
    ...cut(batch, records.slice(0, half), bytesMax, middle),
    ...cut(batch, records.slice(half), bytesMax, next),
  ];
}

function reject(batch: Batch, offset: bigint, reason: string): Rejected {
  const record = decodeRecords(batch).find((candidate) => candidate.offset === offset);
  if (record === undefined) throw new RangeError(`no record has the offset ${offset}`);
  return { kind: "rejected", offset, count: 1, record, reason };
}

/** The bytes as they came are the value, for whoever wants to save what can be saved. */
function rejectWhole(batch: Batch, reason: string): Rejected {
  const { bytes, baseOffset, lastOffsetDelta, maxTimestamp } = batch;
  return {
    kind: "rejected",
    offset: baseOffset,
    count: lastOffsetDelta + 1,
    record: { key: null, value: bytes, headers: [], timestampMs: Number(maxTimestamp) },
    reason,
  };
}

/** The source offsets of records as runs without gaps. */
export function runsOf(records: readonly RawRecord[]): SourceRun[] {
  const runs: { sourceOffset: bigint; count: number }[] = [];
  for (const { offset } of records) {
    const last = runs.at(-1);
    if (last && last.sourceOffset + BigInt(last.count) === offset) last.count += 1;
    else runs.push({ sourceOffset: offset, count: 1 });
  }
  return runs;
}
