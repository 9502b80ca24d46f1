import { pendingRange, strangeRange, type ReconcilePlan } from "./reconcile-plan.ts";

/** One row of a side's answer; see ReconcilePlan. */
export interface RangeSum {
  readonly partition: number;
  readonly range: bigint;
  readonly rows: bigint;
  readonly checksum: bigint;
}

/** A range on which the sides disagree; offsets are the source's, inclusive. */
export interface RangeDifference {
  readonly partition: number;
  /** -1, as `last`, for rows of the external side that no record of the source has. */
  readonly first: bigint;
  readonly last: bigint;
  readonly internalRows: bigint;
  readonly externalRows: bigint;
  readonly internalChecksum: string;
  readonly externalChecksum: string;
}

export interface Reconciliation {
  readonly reconciled: boolean;
  /** Rows that were compared. */
  readonly internalRows: bigint;
  readonly externalRows: bigint;
  readonly ranges: number;
  readonly differences: readonly RangeDifference[];
  /** Rows that the other side need not hold yet. */
  readonly internalPending: bigint;
  readonly externalPending: bigint;
}

interface Sum {
  rows: bigint;
  checksum: bigint;
}

/** Compares what both sides answered to a plan's statements. */
export function compareSides(
  plan: ReconcilePlan,
  internal: readonly RangeSum[],
  external: readonly RangeSum[],
): Reconciliation {
  const left = sumsOf(internal);
  const right = sumsOf(external);
  const differences: RangeDifference[] = [];
  for (const key of [...new Set([...left.ranges.keys(), ...right.ranges.keys()])]) {
    const a = left.ranges.get(key) ?? none;
    const b = right.ranges.get(key) ?? none;
    if (a.rows !== b.rows || a.checksum !== b.checksum)
      differences.push(differenceOf(plan, key, a, b));
  }
  differences.sort((a, b) => a.partition - b.partition || Number(a.first - b.first));
  return {
    reconciled: differences.length === 0,
    internalRows: left.rows,
    externalRows: right.rows,
    ranges: plan.ranges,
    differences,
    internalPending: left.pending,
    externalPending: right.pending,
  };
}

const none: Sum = { rows: 0n, checksum: 0n };

function sumsOf(rows: readonly RangeSum[]) {
  const ranges = new Map<string, Sum>();
  let compared = 0n;
  let pending = 0n;
  for (const row of rows) {
    if (row.range === pendingRange) {
      pending += row.rows;
      continue;
    }
    compared += row.rows;
    const key = `${row.partition}/${row.range}`;
    const sum = ranges.get(key) ?? { rows: 0n, checksum: 0n };
    sum.rows += row.rows;
    sum.checksum += row.checksum;
    ranges.set(key, sum);
  }
  return { ranges, rows: compared, pending };
}

function differenceOf(plan: ReconcilePlan, key: string, a: Sum, b: Sum): RangeDifference {
  const [partition = "", range = ""] = key.split("/");
  const first = BigInt(range);
  const end = plan.partitions.find((each) => String(each.partition) === partition)?.end ?? 0n;
  const full = first + plan.rangeSize;
  const last = (full < end ? full : end) - 1n;
  const isStrange = first === strangeRange;
  return {
    partition: Number(partition),
    first: isStrange ? -1n : first,
    last: isStrange ? -1n : last,
    internalRows: a.rows,
    externalRows: b.rows,
    internalChecksum: String(a.checksum),
    externalChecksum: String(b.checksum),
  };
}
