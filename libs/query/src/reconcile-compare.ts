import { compareOffsets } from "./position-runs.ts";
import { placeless, type ComparedPartition, type Selection } from "./reconcile-selection.ts";

/** One row of a side's answer; see ReconcilePlan. */
export interface RangeSum {
  readonly partition: number;
  readonly range: bigint;
  readonly rows: bigint;
  readonly checksum: bigint;
}

/** What both sides answered. */
export interface Answers {
  readonly internal: readonly RangeSum[];
  /** Of the internal rows, those that a deletion follows: the external side has removed them. */
  readonly deleted: readonly RangeSum[];
  readonly external: readonly RangeSum[];
  /** Of the external rows, those that a deletion follows: they are still to be removed. */
  readonly retracted: readonly RangeSum[];
}

/** A range on which the sides disagree; offsets are the source's, inclusive. */
export interface RangeDifference {
  readonly partition: number;
  /** -1, as `last`, for rows that no record of the source has. */
  readonly first: bigint;
  readonly last: bigint;
  readonly internalRows: bigint;
  readonly externalRows: bigint;
  readonly internalChecksum: string;
  readonly externalChecksum: string;
}

/** Rows of one side in one partition. */
export interface SideRows {
  /** Within the compared offsets, deleted posts included. */
  readonly landed: bigint;
  /** Of those, what is compared: without deleted posts. */
  readonly compared: bigint;
  readonly pending: bigint;
  readonly unplaced: bigint;
  readonly younger: bigint;
  readonly forgotten: bigint;
}

export interface Comparison {
  readonly differences: readonly RangeDifference[];
  readonly internal: ReadonlyMap<number, SideRows>;
  readonly external: ReadonlyMap<number, SideRows>;
}

interface Sum {
  rows: bigint;
  checksum: bigint;
}

/** Compares what both sides answered to a plan's statements. */
export function compareSides(selection: Selection, answers: Answers): Comparison {
  const left = sumsOf([...answers.internal, ...answers.deleted.map(negative)]);
  const right = sumsOf([...answers.external, ...answers.retracted.map(negative)]);
  const partitions = new Map(selection.partitions.map((each) => [each.partition, each]));
  const differences: RangeDifference[] = [];
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const a = left.get(key) ?? none;
    const b = right.get(key) ?? none;
    if (a.rows === b.rows && a.checksum === b.checksum) continue;
    const [partition, range] = placeOf(key);
    differences.push(differenceOf(partitions.get(partition), [partition, range], selection, a, b));
  }
  differences.sort((a, b) => a.partition - b.partition || compareOffsets(a.first, b.first));
  return {
    differences,
    internal: rowsOf(answers.internal, answers.deleted),
    external: rowsOf(answers.external, answers.retracted),
  };
}

function negative(sum: RangeSum): RangeSum {
  return { ...sum, rows: -sum.rows, checksum: -sum.checksum };
}

const none: Sum = { rows: 0n, checksum: 0n };

/** By partition and range; without those rows that are only counted. */
function sumsOf(rows: readonly RangeSum[]): Map<string, Sum> {
  const sums = new Map<string, Sum>();
  for (const { partition, range, rows: count, checksum } of rows) {
    if (range < 0n && range !== placeless.strange) continue;
    const key = `${partition}/${range}`;
    const sum = sums.get(key) ?? { rows: 0n, checksum: 0n };
    sums.set(key, { rows: sum.rows + count, checksum: sum.checksum + checksum });
  }
  return sums;
}

function placeOf(key: string): [partition: number, range: bigint] {
  const [partition = "", range = ""] = key.split("/");
  return [Number(partition), BigInt(range)];
}

function rowsOf(
  sums: readonly RangeSum[],
  deleted: readonly RangeSum[],
): ReadonlyMap<number, SideRows> {
  const gone = Map.groupBy(deleted, ({ partition }) => partition);
  const byPartition = Map.groupBy(sums, ({ partition }) => partition);
  return new Map(
    [...byPartition].map(([partition, own]) => [partition, countsOf(own, gone.get(partition))]),
  );
}

function countsOf(own: readonly RangeSum[], deleted: readonly RangeSum[] = []): SideRows {
  const count = (is: (range: bigint) => boolean, of = own) =>
    of.reduce((sum, { range, rows }) => (is(range) ? sum + rows : sum), 0n);
  const isLanded = (range: bigint) => range >= 0n || range === placeless.strange;
  const landed = count(isLanded);
  return {
    landed,
    compared: landed - count(isLanded, deleted),
    pending: count((range) => range === placeless.pending),
    unplaced: count((range) => range === placeless.unplaced),
    younger: count((range) => range === placeless.younger),
    forgotten: count((range) => range === placeless.forgotten),
  };
}

function differenceOf(
  compared: ComparedPartition | undefined,
  [partition, range]: readonly [number, bigint],
  { rangeSize }: Selection,
  a: Sum,
  b: Sum,
): RangeDifference {
  const end = compared?.end ?? 0n;
  const full = range + rangeSize;
  const isStrange = range === placeless.strange;
  return {
    partition,
    first: isStrange ? -1n : range,
    last: isStrange ? -1n : (full < end ? full : end) - 1n,
    internalRows: a.rows,
    externalRows: b.rows,
    internalChecksum: String(a.checksum),
    externalChecksum: String(b.checksum),
  };
}
