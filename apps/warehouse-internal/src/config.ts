import { readConfig, setting, type Config, type Settings } from "@hybridge/core";
import { hdfsSettings } from "@hybridge/hdfs";
import { hiveSettings } from "@hybridge/hive";
import { clusterSettings } from "@hybridge/kafka";
import { warehouseSettings } from "@hybridge/warehouse";

/** The settings of warehouse-internal; docs/settings.md derives from them. */
export const settings = {
  ...clusterSettings("HYBRIDGE_SOURCE", "the source cluster", "127.0.0.1:9092"),
  ...hdfsSettings,
  ...hiveSettings,
  HYBRIDGE_REGISTER_INTERVAL_MS: {
    schema: setting.integer(10, 3_600_000, 2_000),
    doc: "between two looks for landed files that Hive does not show yet",
  },
  ...warehouseSettings,
} as const satisfies Settings;

export type WarehouseInternalConfig = Config<typeof settings>;

/** @throws ConfigError with every problem at once */
export function readWarehouseInternalConfig(): WarehouseInternalConfig {
  return readConfig(settings, process.env);
}
