export type {
  ExecuteOptions,
  Hive,
  HiveAddress,
  HiveBatch,
  HiveColumn,
  HiveOptions,
  HiveResult,
  HiveTimeouts,
  HiveValues,
  HiveValueType,
} from "./api.ts";
export { readFormerEnds } from "./former-ends.ts";
export {
  HiveLoginError,
  HiveProtocolError,
  HiveSchemaError,
  HiveStatementError,
  HiveTimeoutError,
} from "./errors.ts";
export {
  hiveFollower,
  type HiveFollowerOptions,
  type StoredCatalogPosition,
} from "./following-catalog.ts";
export { executeHive, openHive } from "./open-hive.ts";
export { hiveOptions, hiveSettings } from "./settings.ts";
