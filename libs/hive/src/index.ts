export type {
  ExecuteOptions,
  Hive,
  HiveBatch,
  HiveColumn,
  HiveOptions,
  HiveResult,
  HiveTimeouts,
  HiveValues,
  HiveValueType,
} from "./api.ts";
export { hiveCatalog, readVisibleEnds, type HiveCatalogOptions } from "./catalog.ts";
export {
  HiveLoginError,
  HiveProtocolError,
  HiveSchemaError,
  HiveStatementError,
  HiveTimeoutError,
} from "./errors.ts";
export { executeHive, openHive } from "./open-hive.ts";
