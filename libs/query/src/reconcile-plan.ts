import { SqlParameterError } from "./errors.ts";
import { joinRuns, sourceEndOf, type PositionRun } from "./position-runs.ts";
import { hiveStatements } from "./reconcile-hive.ts";
import { redshiftStatements } from "./reconcile-redshift.ts";
import {
  offsetMax,
  type ComparedPartition,
  type ReconcileTables,
  type Selection,
} from "./reconcile-selection.ts";

/** What is known of one partition before its rows are compared. */
export interface PartitionState {
  readonly partition: number;
  /** What the source's log holds; undefined when it is not known, or has no such partition. */
  readonly source: SourceRange | undefined;
  /** Where the mirror put the records of the topic that exists. */
  readonly runs: readonly PositionRun[];
  /** Every source offset below it is visible in Hive. */
  readonly internalEnd: bigint;
  /** Every target offset below it is visible in Redshift. */
  readonly externalEnd: bigint;
  /** Records that the external landing could not read and put aside. */
  readonly deadLetters: bigint;
}

/** Offsets of a log as of one moment; ends are exclusive. */
export interface SourceRange {
  readonly start: bigint;
  /** The last stable offset: what is behind it no consumer of committed records sees yet. */
  readonly end: bigint;
  readonly highWatermark: bigint;
}

export interface ReconcilePlan extends Selection {
  /** Ranges of source offsets that are compared, over all partitions. */
  readonly ranges: number;
  /**
   * Statements of each side. Their rows are (partition, first offset of the range, rows, checksum),
   * with one of `placeless` instead of an offset; rows of one range from several statements add up.
   */
  readonly hive: readonly string[];
  readonly redshift: readonly string[];
}

const RANGES_MAX = 100_000;

/**
 * Plans the comparison of the two sides by ranges of source offsets.
 *
 * The checksum of a range is the sum of its rows' digests (reconcile-digest.ts): independent of
 * order, different when two rows have changed places or one column of one row has changed, and
 * cheap in both dialects (the method of data-diff). Rows of the external side are brought to
 * source offsets by the mirror's runs.
 */
export function planReconciliation(
  states: readonly PartitionState[],
  tables: ReconcileTables,
  options: { readonly rangeSize: bigint; readonly sinceMs?: number | undefined },
): ReconcilePlan {
  const { rangeSize, sinceMs } = options;
  const partitions = states.map(comparedOf).sort((a, b) => a.partition - b.partition);
  const ranges = partitions.reduce((sum, each) => sum + rangesOf(each, rangeSize), 0n);
  if (ranges > RANGES_MAX) {
    throw new SqlParameterError(
      `range_size ${rangeSize} makes ${ranges} ranges, of which at most ${RANGES_MAX} are compared at once; choose a larger one`,
    );
  }
  for (const topic of [tables.sourceTopic, tables.targetTopic]) checkTopic(topic);
  const selection = { partitions, rangeSize, tables, sinceMs };
  return {
    ...selection,
    ranges: Number(ranges),
    hive: hiveStatements(selection),
    redshift: redshiftStatements(selection),
  };
}

function comparedOf(state: PartitionState): ComparedPartition {
  const runs = joinRuns(state.runs);
  const begin = runs[0]?.sourceOffset ?? 0n;
  const externalEnd = sourceEndOf(runs, state.externalEnd);
  const end = state.internalEnd < externalEnd ? state.internalEnd : externalEnd;
  return {
    partition: state.partition,
    runs,
    begin,
    end: end < begin ? begin : end,
    sourceEnd: state.source?.end ?? offsetMax,
    externalEnd,
  };
}

function rangesOf({ begin, end }: ComparedPartition, size: bigint): bigint {
  return end <= begin ? 0n : (end - 1n) / size - begin / size + 1n;
}

/** Names of topics have letters, digits, dot, underscore and hyphen (Kafka's Topic.validate). */
function checkTopic(topic: string): void {
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic)) {
    throw new SqlParameterError(`${JSON.stringify(topic)} is not the name of a Kafka topic`);
  }
}
