export { countTweetsSql, type TweetFilter } from "./count-tweets.ts";
export { SqlParameterError, SqlRefusedError } from "./errors.ts";
export type { Parameters, ParameterValue } from "./parameters.ts";
export type { PositionRun } from "./position-runs.ts";
export { prepareSql, type PreparedSql } from "./prepare.ts";
export { compareSides, type RangeSum, type Reconciliation } from "./reconcile-compare.ts";
export {
  planReconciliation,
  type PartitionState,
  type ReconcilePlan,
  type ReconcileTables,
} from "./reconcile-plan.ts";
export type { Engine } from "./tokens.ts";
