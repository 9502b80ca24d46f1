export { countTweetsSql, type CountedTables, type TweetFilter } from "./count-tweets.ts";
export { SqlParameterError, SqlRefusedError } from "./errors.ts";
export { limitRows } from "./limit-rows.ts";
export type { Parameters, ParameterValue } from "./parameters.ts";
export type { PositionRun } from "./position-runs.ts";
export { prepareSql, type PreparedSql } from "./prepare.ts";
export { compareSides, type Answers, type RangeSum } from "./reconcile-compare.ts";
export { aheadDeletionsMax, hiveDeletedStatement, type AheadDeletion } from "./reconcile-hive.ts";
export {
  planReconciliation,
  type PartitionState,
  type ReconcilePlan,
  type SourceRange,
} from "./reconcile-plan.ts";
export { aheadDeletionStatements, redshiftDeletedStatements } from "./reconcile-redshift.ts";
export {
  lackRangesOf,
  noLack,
  reportOf,
  type Lack,
  type LackRanges,
  type Lacks,
  type OffsetRange,
  type PartitionReport,
  type Reconciliation,
  type Verdict,
} from "./reconcile-report.ts";
export type { ReconcileTables } from "./reconcile-selection.ts";
export type { Engine } from "./tokens.ts";
