export { TopicMissingError } from "./errors.ts";
export { runWarehouse, type WarehouseOptions } from "./run-warehouse.ts";
export { warehouseSettings, type WarehouseConfig } from "./settings.ts";
