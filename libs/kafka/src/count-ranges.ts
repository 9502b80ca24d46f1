import type { ClusterOptions } from "./api.ts";
import { withCluster, type Cluster } from "./cluster.ts";
import { readBatches } from "./sequential.ts";
import type { Batch } from "./wire/batch.ts";
import { decodeRecords } from "./wire/record.ts";

/** Offsets of a partition from `from` up to `to` (exclusive). */
export interface OffsetRange {
  readonly partition: number;
  readonly from: bigint;
  readonly to: bigint;
}

/** What a range holds: markers and aborted transactions take offsets too, and are no records. */
export interface CountedRange {
  readonly records: bigint;
  /** False when the budget was spent: of what was not read every offset is taken for a record. */
  readonly isExact: boolean;
  /** Timestamp of the first record, in ms since 1970; undefined without one. */
  readonly firstTimestampMs: number | undefined;
}

/** Limits of all ranges together; beyond them counts are upper bounds. */
export interface CountBudget {
  readonly bytes: number;
  readonly untilMs: number;
}

/**
 * Counts the committed records of some ranges of a topic, from the headers of their batches; only
 * the first batch of each range is unpacked, for its timestamp.
 *
 * @returns in the order of the ranges
 * @throws BrokerError, also when a range begins where the log no longer does
 */
export async function countRanges(
  options: ClusterOptions,
  topic: string,
  ranges: readonly OffsetRange[],
  budget: CountBudget,
  signal: AbortSignal,
): Promise<CountedRange[]> {
  return await withCluster(options, signal, async (cluster) => {
    const counted: CountedRange[] = [];
    let bytes = budget.bytes;
    for (const range of ranges) {
      const isSpent = bytes <= 0 || performance.now() > budget.untilMs;
      const found = isSpent ? unread(range) : await count(cluster, topic, range, bytes, signal);
      bytes -= found.bytes;
      counted.push(found);
    }
    return counted;
  });
}

function unread({ from, to }: OffsetRange) {
  const records = to > from ? to - from : 0n;
  return { records, isExact: records === 0n, firstTimestampMs: undefined, bytes: 0 };
}

async function count(
  cluster: Cluster,
  topic: string,
  range: OffsetRange,
  bytesMax: number,
  signal: AbortSignal,
): Promise<CountedRange & { readonly bytes: number }> {
  let records = 0n;
  let bytes = 0;
  let firstTimestampMs: number | undefined;
  const options = { topic, ...range, committedOnly: true };
  for await (const batch of readBatches(cluster, options, signal)) {
    // The first batch may begin before the range, as the last may end behind it.
    const isWithin = batch.baseOffset >= range.from && batch.lastOffset < range.to;
    const within =
      isWithin && firstTimestampMs !== undefined ? undefined : timesWithin(batch, range);
    records += BigInt(within?.length ?? batch.count);
    firstTimestampMs ??= within?.[0];
    bytes += batch.bytes.length;
    const next = batch.lastOffset + 1n;
    if (bytes < bytesMax || next >= range.to) continue;
    return { records: records + range.to - next, isExact: false, firstTimestampMs, bytes };
  }
  return { records, isExact: true, firstTimestampMs, bytes };
}

function timesWithin(batch: Batch, { from, to }: OffsetRange): number[] {
  return decodeRecords(batch)
    .filter(({ offset }) => offset >= from && offset < to)
    .map(({ timestampMs }) => timestampMs);
}
