import { countBelow } from "./position-runs.ts";
import type { Comparison, RangeDifference, SideRows } from "./reconcile-compare.ts";
import type { PartitionState, ReconcilePlan } from "./reconcile-plan.ts";
import { offsetMax, type ComparedPartition } from "./reconcile-selection.ts";

/**
 * `equal`: every record that the source held when the comparison began stands alike on both sides.
 * `different`: rows that were compared disagree. `incomplete`: what was compared agrees, and not
 * everything could be.
 */
export type Verdict = "equal" | "different" | "incomplete";

/** Records of the source that a side does not show yet. */
export interface Lack {
  readonly records: bigint;
  /** False: at most so many; they were not counted one by one. */
  readonly isExact: boolean;
  /** Timestamp of the oldest of these records, in ms since 1970; undefined when it is not known. */
  readonly sinceMs: number | undefined;
}

/** What was found at the source, of one partition, behind what each side holds. */
export interface Lacks {
  readonly internal: Lack;
  readonly external: Lack;
  /** Records before the first that the mirror has carried; the external side lacks them too. */
  readonly unmirrored: Lack;
}

export const noLack: Lack = { records: 0n, isExact: true, sinceMs: undefined };

export interface PartitionReport {
  readonly partition: number;
  readonly verdict: Verdict;
  readonly state: PartitionState;
  /** Source offsets: compared was from `begin` up to `end`, and the external side ends there. */
  readonly compared: ComparedPartition;
  readonly internalLack: Lack;
  readonly externalLack: Lack;
  readonly reasons: readonly string[];
}

export interface Reconciliation {
  readonly verdict: Verdict;
  /** What was compared is equal on both sides, whatever else there is. */
  readonly isComparedEqual: boolean;
  /** Why the verdict is not `equal`: of the whole, then of partitions. */
  readonly reasons: readonly string[];
  /** Rows that were compared. */
  readonly internalRows: bigint;
  readonly externalRows: bigint;
  readonly ranges: number;
  readonly differences: readonly RangeDifference[];
  /** Rows that stand on one side and were not compared. */
  readonly internalPending: bigint;
  readonly externalPending: bigint;
  readonly internalLack: Lack;
  readonly externalLack: Lack;
  readonly partitions: readonly PartitionReport[];
}

export interface ReportInput {
  readonly plan: ReconcilePlan;
  readonly states: readonly PartitionState[];
  readonly comparison: Comparison;
  /** By partition; of one that is missing nothing is lacking. */
  readonly lacks: ReadonlyMap<number, Lacks>;
  /** Why differences cannot be trusted; undefined when they can. */
  readonly uncertain: string | undefined;
  /** What kept the whole from being compared, such as a source that does not answer. */
  readonly reasons: readonly string[];
}

/** Says what a comparison is worth: never `equal` of what was not compared. */
export function reportOf(input: ReportInput): Reconciliation {
  const { plan, comparison } = input;
  const differs = comparison.differences.length > 0;
  const differences = input.uncertain === undefined ? comparison.differences : [];
  const partitions = plan.partitions.map((each) => partitionReport(each, differences, input));
  const reasons = [
    ...input.reasons,
    ...(input.uncertain === undefined ? [] : [input.uncertain]),
    ...(plan.sinceMs === undefined
      ? []
      : [
          `only rows since ${new Date(plan.sinceMs).toISOString()} were compared, as was asked for`,
        ]),
    ...partitions.flatMap((each) =>
      each.reasons.map((reason) => `partition ${each.partition}: ${reason}`),
    ),
  ];
  const { internal, external } = comparison;
  const verdict = verdictOf(differences.length > 0, reasons.length > 0);
  return {
    verdict,
    isComparedEqual: !differs,
    reasons,
    internalRows: total(internal, ({ compared }) => compared),
    externalRows: total(external, ({ compared }) => compared),
    ranges: plan.ranges,
    differences,
    internalPending: total(internal, notCompared),
    externalPending: total(external, notCompared),
    internalLack: lackOfAll(partitions.map(({ internalLack }) => internalLack)),
    externalLack: lackOfAll(partitions.map(({ externalLack }) => externalLack)),
    partitions,
  };
}

const noRows: SideRows = {
  landed: 0n,
  compared: 0n,
  pending: 0n,
  unplaced: 0n,
  younger: 0n,
  forgotten: 0n,
};

function partitionReport(
  compared: ComparedPartition,
  differences: readonly RangeDifference[],
  input: ReportInput,
): PartitionReport {
  const { partition } = compared;
  const state = input.states.find((each) => each.partition === partition);
  if (state === undefined) throw new RangeError(`there is no state of partition ${partition}`);
  const internal = input.comparison.internal.get(partition) ?? noRows;
  const external = input.comparison.external.get(partition) ?? noRows;
  const found = input.lacks.get(partition);
  // Rows of one side behind the end of the other are lacking there, also when the source has
  // forgotten them. Pending rows stand behind the side that is further back.
  const { externalEnd } = compared;
  const internalLack = atLeast(
    found?.internal ?? noLack,
    state.internalEnd <= externalEnd ? external.pending : 0n,
  );
  const externalLack = addLacks(
    atLeast(found?.external ?? noLack, externalEnd <= state.internalEnd ? internal.pending : 0n),
    found?.unmirrored ?? noLack,
  );
  const isDifferent = differences.some((each) => each.partition === partition);
  const reasons = [
    ...lackReason("Hive", internalLack),
    ...lackReason("Redshift", externalLack),
    ...sourceReasons(state, compared),
    ...rowReasons(internal, external),
    ...(isDifferent || input.plan.sinceMs !== undefined
      ? []
      : lostReason(state, compared, internal)),
  ];
  const verdict = verdictOf(isDifferent, reasons.length > 0);
  return { partition, verdict, state, compared, internalLack, externalLack, reasons };
}

function verdictOf(isDifferent: boolean, isIncomplete: boolean): Verdict {
  return isDifferent ? "different" : isIncomplete ? "incomplete" : "equal";
}

function lackReason(side: string, { records, isExact, sinceMs }: Lack): string[] {
  if (records === 0n) return [];
  const since = sinceMs === undefined ? "" : `, the oldest of ${new Date(sinceMs).toISOString()}`;
  return [`${side} lacks ${isExact ? "" : "up to "}${records} records${since}`];
}

function sourceReasons(state: PartitionState, compared: ComparedPartition): string[] {
  const { source } = state;
  if (source === undefined) return ["the source does not say what it holds"];
  const { start, end, highWatermark } = source;
  const reasons: string[] = [];
  if (highWatermark > end) {
    reasons.push(
      `a transaction is open at the source: up to ${highWatermark - end} records behind offset ${end} are not committed, and nobody reads them yet`,
    );
  }
  const known = compared.externalEnd > state.internalEnd ? compared.externalEnd : state.internalEnd;
  if (known < start) {
    reasons.push(
      `offsets ${known} to ${start - 1n} were removed from the source before either side is known to have held them`,
    );
  }
  return reasons;
}

function rowReasons(internal: SideRows, external: SideRows): string[] {
  const reasons: string[] = [];
  const add = (rows: bigint, what: string) => {
    if (rows > 0n) reasons.push(`${rows} rows of ${what}`);
  };
  add(external.unplaced, "Redshift stand behind what the mirror has written down");
  add(external.forgotten, "Redshift stand before what the mirror has written down");
  add(internal.forgotten, "Hive stand before what the mirror has written down");
  return reasons;
}

/**
 * Every offset of a run is a record, and must be a row or a dead letter; when both sides have
 * lost the same one, their rows agree.
 */
function lostReason(
  { deadLetters }: PartitionState,
  { runs, end }: ComparedPartition,
  { landed }: SideRows,
): string[] {
  const lost = countBelow(runs, end) - landed - deadLetters;
  if (lost <= 0n) return [];
  return [`${lost} records of the source are rows on neither side, and no dead letters`];
}

function atLeast(lack: Lack, records: bigint): Lack {
  return records > lack.records ? { ...lack, records, isExact: lack.isExact } : lack;
}

function addLacks(a: Lack, b: Lack): Lack {
  const times = [a.sinceMs, b.sinceMs].filter((ms) => ms !== undefined);
  return {
    records: a.records + b.records,
    isExact: a.isExact && b.isExact,
    sinceMs: times.length === 0 ? undefined : Math.min(...times),
  };
}

function lackOfAll(lacks: readonly Lack[]): Lack {
  return lacks.reduce(addLacks, noLack);
}

function total(rows: ReadonlyMap<number, SideRows>, of: (each: SideRows) => bigint): bigint {
  return [...rows.values()].reduce((sum, each) => sum + of(each), 0n);
}

function notCompared({ pending, unplaced, younger, forgotten }: SideRows): bigint {
  return pending + unplaced + younger + forgotten;
}

/** What of the source's offsets has to be looked at, to know what a side lacks. */
export interface LackRanges {
  readonly partition: number;
  readonly internal: OffsetRange;
  readonly external: OffsetRange;
  readonly unmirrored: OffsetRange;
}

/** From an offset up to another (exclusive); empty when they are the same. */
export interface OffsetRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** Offsets that the source still holds and a side does not show. Which of them are records only the log says. */
export function lackRangesOf(plan: ReconcilePlan, states: readonly PartitionState[]): LackRanges[] {
  const byPartition = new Map(states.map((each) => [each.partition, each]));
  return plan.partitions.flatMap(({ partition, begin, externalEnd, runs, sourceEnd }) => {
    const state = byPartition.get(partition);
    if (state?.source === undefined || sourceEnd === offsetMax) return [];
    const { start, end } = state.source;
    return [
      {
        partition,
        internal: rangeBetween(state.internalEnd, start, end),
        external: rangeBetween(runs.length === 0 ? start : externalEnd, start, end),
        unmirrored: rangeBetween(
          start,
          start,
          runs.length === 0 ? start : begin < end ? begin : end,
        ),
      },
    ];
  });
}

function rangeBetween(from: bigint, start: bigint, to: bigint): OffsetRange {
  const first = from < start ? start : from;
  return { from: first, to: to < first ? first : to };
}
