export type {
  ExecuteOptions,
  Redshift,
  RedshiftBatch,
  RedshiftColumn,
  RedshiftOptions,
  RedshiftParameters,
  RedshiftResult,
  RedshiftTimeouts,
  RedshiftValues,
  RedshiftValueType,
  TransactionOptions,
  TransactionResult,
} from "./api.ts";
export { checkRedshift, type CheckOptions, type CheckResult } from "./check/check.ts";
export {
  RedshiftAbortedError,
  RedshiftAccessError,
  RedshiftConflictError,
  RedshiftInterruptedError,
  RedshiftRequestError,
  RedshiftResultSizeError,
  RedshiftRowSizeError,
  RedshiftSchemaError,
  RedshiftStatementError,
  RedshiftTimeoutError,
  RedshiftUnavailableError,
} from "./errors.ts";
export {
  redshiftFollower,
  type FormerPosition,
  type RedshiftFollower,
  type RedshiftFollowerOptions,
} from "./loads/redshift-follower.ts";
export { openRedshift } from "./open-redshift.ts";
export { redshiftTables, type RedshiftTables, type TableNames } from "./names.ts";
export {
  redshiftNames,
  redshiftOptions,
  redshiftSettings,
  type RedshiftConfig,
} from "./settings.ts";
