export { writeHostile } from "./hostile-records.ts";
export { PARTITIONS, TOPIC, TRACEPARENT, writePosts, type Written } from "./posts.ts";
export { startWarehouse, type End, type WarehouseProcess } from "./warehouse-process.ts";
