export { SqlParameterError, SqlRefusedError } from "./errors.ts";
export type { Parameters, ParameterValue } from "./parameters.ts";
export { prepareSql, type PreparedSql } from "./prepare.ts";
export type { Engine } from "./tokens.ts";
