import { invariant } from "@hybridge/core";
import type { RecordToSend } from "@hybridge/kafka";
import {
  Batch,
  decodeRecords,
  joinRecords,
  MalformedError,
  scanRecords,
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
  /** The record's time, which its number may round. */
  readonly timestamp: bigint;
  readonly reason: string;
}

export interface ShapeOptions {
  /** Records before this source offset are not wanted: a fetch answers with whole batches. */
  readonly from: bigint;
  /** What the target takes, in bytes per batch. */
  readonly bytesMax: number;
}

/** How to cut a batch that the target refused, so that the rest of it goes across. */
export interface Remedy {
  /** By source offset: records that go to the dead letters, and why. */
  readonly refused: ReadonlyMap<bigint, string>;
  /** It is not known which record is to blame: they go one by one. */
  readonly isSuspect: boolean;
  /** The batch was too large at so many bytes. */
  readonly tooLarge?: number;
}

const BAD_CHECKSUM =
  "the batch does not match its CRC-32C (KAFKA_CORRUPT_BATCH): check the disk of the source broker";

/**
 * Makes of a source batch what goes to the target: nearly always the batch itself, untouched.
 * Records are looked at only when the batch
 * - was compacted: the broker wants `lastOffsetDelta == count - 1`, and would accept an
 *   uncompressed batch with inner gaps and hand out its offsets twice;
 * - has the log append time: the target would show the producers' times instead;
 * - begins before the position, or is too large.
 *
 * A batch whose checksum is wrong is never packed anew, which would bless its bytes: it is rejected
 * as it is. (One that goes untouched is checked by the target.)
 */
export function shape(batch: Batch, { from, bytesMax }: ShapeOptions): (Sendable | Rejected)[] {
  const { baseOffset, count, leaderEpoch } = batch;
  if (count === 0) return [];
  const isPlain =
    batch.isDense && !batch.isLogAppendTime && baseOffset >= from && batch.bytes.length <= bytesMax;
  if (isPlain) return [asItIs(batch, leaderEpoch, [{ sourceOffset: baseOffset, count }])];
  const all = recordsOf(batch);
  if (!Array.isArray(all)) return [all];
  const records = all.filter(({ offset }) => offset >= from);
  if (records.length === 0) return [];
  const isWhole =
    records.length === all.length &&
    !batch.isLogAppendTime &&
    batch.bytes.length <= bytesMax &&
    hasOnlyTailGap(records, baseOffset);
  if (isWhole) return [asItIs(batch, leaderEpoch, runsOf(records))];
  return cut(new Origin(batch, leaderEpoch, all), records, bytesMax);
}

/** Makes of a part that the target refused what it takes, and what goes to the dead letters. */
export function reshape(
  part: Sendable,
  { refused, isSuspect }: Remedy,
  bytesMax: number,
): (Sendable | Rejected)[] {
  const batch = new Batch(part.bytes);
  const scanned = recordsOf(batch);
  if (!Array.isArray(scanned)) {
    const [first] = part.runs;
    return [first ? { ...scanned, offset: first.sourceOffset } : scanned];
  }
  const all = withSourceOffsets(scanned, part.runs);
  const origin = new Origin(batch, part.epoch, all);
  const wanted = all.filter(({ offset }) => !refused.has(offset));
  const parts: (Sendable | Rejected)[] = all
    .filter(({ offset }) => refused.has(offset))
    .map(({ offset }) => reject(origin, offset, refused.get(offset) ?? "refused"));
  if (isSuspect) {
    for (const record of wanted) {
      for (const one of cut(origin, [record], bytesMax)) {
        parts.push(one.kind === "batch" ? { ...one, alone: true } : one);
      }
    }
  } else if (wanted.length === all.length && part.bytes.length <= bytesMax) return [part];
  else if (wanted.length > 0) parts.push(...cut(origin, wanted, bytesMax));
  return parts.sort((a, b) => (firstOffset(a) < firstOffset(b) ? -1 : 1));
}

/** The first source offset that a part is about. */
export function firstOffset(part: Sendable | Rejected): bigint {
  return part.kind === "batch" ? (part.runs[0]?.sourceOffset ?? -1n) : part.offset;
}

/** A batch, and its records under the source's offsets. */
class Origin {
  readonly batch: Batch;
  /** The source's leader epoch. */
  readonly epoch: number;
  readonly all: readonly RawRecord[];
  #decoded: readonly RecordToSend[] | undefined;
  #indexes: ReadonlyMap<bigint, number> | undefined;

  constructor(batch: Batch, epoch: number, all: readonly RawRecord[]) {
    this.batch = batch;
    this.epoch = epoch;
    this.all = all;
  }

  indexOf(offset: bigint): number {
    this.#indexes ??= new Map(this.all.map((record, index) => [record.offset, index]));
    return this.#indexes.get(offset) ?? -1;
  }

  /** A record with its parts; undefined when they do not fit together. */
  decoded(index: number): RecordToSend | undefined {
    // All at once: a whole batch may be refused, record by record.
    this.#decoded ??= decodedOrNone(this.batch);
    return this.#decoded[index];
  }
}

/** The records of a batch, or the batch as one that cannot be looked into. */
function recordsOf(batch: Batch): RawRecord[] | Rejected {
  if (!batch.isIntact) return rejectWhole(batch, BAD_CHECKSUM);
  try {
    return scanRecords(batch);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return rejectWhole(batch, error.message);
  }
}

/** What was packed anew has offsets of its own; the runs tell the source's. */
function withSourceOffsets(
  records: readonly RawRecord[],
  runs: readonly SourceRun[],
): readonly RawRecord[] {
  const offsets = runs.flatMap(({ sourceOffset, count }) =>
    Array.from({ length: count }, (_, index) => sourceOffset + BigInt(index)),
  );
  invariant(offsets.length === records.length, "a part has as many offsets as records");
  return records.map((record, index) => ({ ...record, offset: offsets[index] ?? record.offset }));
}

function asItIs(batch: Batch, epoch: number, runs: readonly SourceRun[]): Sendable {
  return sendable(batch.bytes, epoch, runs);
}

function sendable(bytes: Buffer, epoch: number, runs: readonly SourceRun[]): Sendable {
  let count = 0;
  for (const run of runs) count += run.count;
  return { kind: "batch", bytes, count, runs, epoch };
}

/** The stamp writes lastOffsetDelta, so a gap behind the last record needs no new encoding. */
function hasOnlyTailGap(records: readonly RawRecord[], baseOffset: bigint): boolean {
  const last = records.at(-1);
  return last !== undefined && last.offset - baseOffset === BigInt(records.length - 1);
}

/** Joins records into one batch if it fits, else into two, and so on. */
function cut(
  origin: Origin,
  records: readonly RawRecord[],
  bytesMax: number,
): (Sendable | Rejected)[] {
  const [first] = records;
  if (first === undefined) return [];
  const bytes = joinRecords(records, origin.batch.codec);
  if (bytes.length <= bytesMax) return [sendable(bytes, origin.epoch, runsOf(records))];
  if (records.length === 1) {
    const reason = `${bytes.length} bytes, the target takes ${bytesMax}`;
    return [reject(origin, first.offset, reason)];
  }
  const half = records.length >> 1;
  return [
    ...cut(origin, records.slice(0, half), bytesMax),
    ...cut(origin, records.slice(half), bytesMax),
  ];
}

function reject(origin: Origin, offset: bigint, reason: string): Rejected {
  const index = origin.indexOf(offset);
  const raw = origin.all[index];
  invariant(raw !== undefined, "what is rejected is in the batch");
  const record = origin.decoded(index) ?? {
    // Its parts do not fit together: all of it is the value.
    ...{ key: null, value: raw.bytes.subarray(raw.from, raw.to), headers: [] },
    timestampMs: Number(raw.timestamp),
  };
  return { kind: "rejected", offset, count: 1, record, timestamp: BigInt(raw.timestamp), reason };
}

function decodedOrNone(batch: Batch): readonly RecordToSend[] {
  try {
    return decodeRecords(batch);
  } catch (error) {
    if (error instanceof MalformedError) return [];
    throw error;
  }
}

/** The bytes as they came are the value, for whoever wants to save what can be saved. */
function rejectWhole(batch: Batch, reason: string): Rejected {
  const { bytes, baseOffset, lastOffsetDelta, maxTimestamp } = batch;
  return {
    kind: "rejected",
    offset: baseOffset,
    count: lastOffsetDelta + 1,
    record: { key: null, value: bytes, headers: [], timestampMs: Number(maxTimestamp) },
    timestamp: maxTimestamp,
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
