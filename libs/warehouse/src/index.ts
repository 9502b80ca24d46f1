export { TopicMissingError } from "./errors.ts";
export { encoderMemory } from "./memory-shares.ts";
export { runWarehouse } from "./run-warehouse.ts";
export { warehouseSettings, type WarehouseConfig } from "./settings.ts";
export type { WarehouseOptions } from "./warehouse.ts";
