import { hdfsTableStore, openWebHdfs, webHdfsOptions } from "@hybridge/hdfs";
import { hiveFollower, hiveOptions, openHive, readFormerEnds } from "@hybridge/hive";
import { clusterOptions } from "@hybridge/kafka";
import { storedCatalogPosition, TABLE_NAME } from "@hybridge/landing";
import { flushEncoder } from "@hybridge/parquet";
import type { Telemetry } from "@hybridge/tracing";
import { encoderMemory, runWarehouse, type WarehouseOptions } from "@hybridge/warehouse";
import type { WarehouseInternalConfig } from "./config.ts";

/** Constructs the HDFS store, the Hive catalog and the encoder, and lands until the signal. */
export async function runWarehouseInternal(
  config: WarehouseInternalConfig,
  { emit, observe }: Telemetry,
  signal: AbortSignal,
): Promise<void> {
  const folder = config.HYBRIDGE_HDFS_DIR;
  const location = `${folder}/${TABLE_NAME}`;
  await using hdfs = openWebHdfs(webHdfsOptions(config, emit));
  await using hive = openHive(hiveOptions(config, emit));
  await using encoder = await flushEncoder({
    stagingDirectory: config.HYBRIDGE_STAGING_DIR,
    compression: "zstd",
    memoryBytes: encoderMemory(config),
  });
  const store = hdfsTableStore(hdfs, location);
  const names = { database: config.HYBRIDGE_HIVE_DATABASE, table: config.HYBRIDGE_HIVE_TABLE };
  const options: WarehouseOptions = {
    side: "internal",
    config,
    cluster: clusterOptions(config, "HYBRIDGE_SOURCE", "hybridge-warehouse-internal", emit),
    followIntervalMs: config.HYBRIDGE_REGISTER_INTERVAL_MS,
    store,
    catalog: hiveFollower({
      ...names,
      ...{ hive, store, location, stored: storedCatalogPosition(store, "hive") },
    }),
    encoder,
    former: {
      parent: hdfsTableStore(hdfs, folder),
      visibleEnd: async (at, until) => (await readFormerEnds(hive, names, until))(at),
    },
    emit,
    observe,
  };
  await runWarehouse(options, signal);
}
