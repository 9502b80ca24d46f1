import { readConfig, setting, tlsFileSettings, type Config, type Settings } from "@hybridge/core";
import { hiveSettings } from "@hybridge/hive";
import { clusterSettings } from "@hybridge/kafka";
import { warehouseSettings } from "@hybridge/warehouse";
import { z } from "zod";

/** The settings of warehouse-internal; docs/settings.md derives from them. */
export const settings = {
  ...clusterSettings("HYBRIDGE_SOURCE", "the source cluster", "127.0.0.1:9092"),
  HYBRIDGE_WEBHDFS_URL: {
    schema: z
      .string()
      .transform((list) => list.split(",").map((url) => url.trim()))
      .pipe(z.array(setting.url()))
      .transform((urls) => urls.join())
      .prefault("http://127.0.0.1:9870"),
    doc: "http or https address of the NameNode, without /webhdfs/v1; several with commas",
  },
  ...tlsFileSettings("HYBRIDGE_WEBHDFS", "the NameNodes and DataNodes"),
  HYBRIDGE_HDFS_DIR: {
    schema: z
      .string()
      .regex(/^(\/[^/]+)+$/, { error: "must be an absolute HDFS path without a slash at its end" })
      .prefault("/hybridge"),
    doc: "folder in HDFS: files go to its sub-folder tweets, the ledger to _ledger",
  },
  HYBRIDGE_HDFS_USER: {
    schema: setting.optional(),
    doc: "user that acts in HDFS (simple authentication); by default the process's own",
  },
  HYBRIDGE_HDFS_DELEGATION_TOKEN: {
    schema: setting.optional(),
    secret: true,
    doc: "delegation token for a cluster with Kerberos, as `hdfs fetchdt` writes it, instead of a user",
  },
  ...hiveSettings,
  HYBRIDGE_REGISTER_INTERVAL_MS: {
    schema: setting.integer(10, 3_600_000, 2_000),
    doc: "between two registrations of landed files in Hive",
  },
  ...warehouseSettings,
} as const satisfies Settings;

export type WarehouseInternalConfig = Config<typeof settings>;

/** @throws ConfigError with every problem at once */
export function readWarehouseInternalConfig(): WarehouseInternalConfig {
  return readConfig(settings, process.env);
}
