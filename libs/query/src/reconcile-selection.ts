import type { PositionRun } from "./position-runs.ts";

export interface ReconcileTables {
  /** As SQL names it; quoted where it must be. */
  readonly hive: string;
  readonly redshift: string;
  /** Redshift's table of deletions: their records stand there, and not among the posts. */
  readonly redshiftDeletions: string;
  readonly sourceTopic: string;
  readonly targetTopic: string;
}

/** One partition as it is compared; source offsets. */
export interface ComparedPartition {
  readonly partition: number;
  readonly runs: readonly PositionRun[];
  /** Where the first run begins: what stands before it has no known target offset. */
  readonly begin: bigint;
  /** Offsets below it are complete on both sides: compared is from `begin` to here. */
  readonly end: bigint;
  /** Where the source ended when the comparison began, or `offsetMax` when that is not known. */
  readonly sourceEnd: bigint;
  /** Every offset below it is visible in Redshift. */
  readonly externalEnd: bigint;
}

/** Which rows are compared, and by what ranges. */
export interface Selection {
  readonly partitions: readonly ComparedPartition[];
  /** Source offsets per range. */
  readonly rangeSize: bigint;
  readonly tables: ReconcileTables;
  /** Rows of an earlier event_time are not looked at, in ms since 1970; undefined: all rows are. */
  readonly sinceMs: number | undefined;
}

/** Instead of a range: rows that cannot be compared, and why. */
export const placeless = {
  /** The other side need not hold it yet; the source held it when the comparison began. */
  pending: -1n,
  /** No record of the source: the mirror put nothing there, or there is no such partition. */
  strange: -2n,
  /** Behind what the mirror has written down. */
  unplaced: -3n,
  /** It came to the source after the comparison began. */
  younger: -4n,
  /** Before what the mirror has written down, or has not forgotten. */
  forgotten: -5n,
} as const;

/** More than any offset, and still a BIGINT. */
export const offsetMax = 2n ** 62n;
