export {
  warehouseAcceptance,
  type AcceptanceOptions,
  type Killable,
  type WarehouseUnderTest,
} from "./acceptance.ts";
export { unpackEarlierVersion } from "./earlier-version.ts";
export { writeHostile } from "./hostile-records.ts";
export { landedFiles, type LandedFiles } from "./landed-files.ts";
export { PARTITIONS, TOPIC, TRACEPARENT, writePosts, type Written } from "./posts.ts";
export {
  startWarehouse,
  type End,
  type WarehouseApp,
  type WarehouseProcess,
} from "./warehouse-process.ts";
