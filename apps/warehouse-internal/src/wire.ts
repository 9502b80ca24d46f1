import { userInfo } from "node:os";
import { ConfigError, tlsFiles, type Emit } from "@hybridge/core";
import { hdfsLandingStore, openWebHdfs, type WebHdfsOptions } from "@hybridge/hdfs";
import { hiveCatalog, hiveOptions, openHive } from "@hybridge/hive";
import { clusterOptions } from "@hybridge/kafka";
import { TABLE_FOLDER } from "@hybridge/landing";
import { parquetEncoder } from "@hybridge/parquet";
import { runWarehouse } from "@hybridge/warehouse";
import type { WarehouseInternalConfig } from "./config.ts";
import { sweepHourly } from "./sweep.ts";

/** Constructs the HDFS store, the Hive catalog and the encoder, and lands until the signal. */
export async function runWarehouseInternal(
  config: WarehouseInternalConfig,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  const folder = config.HYBRIDGE_HDFS_DIR;
  await using hdfs = openWebHdfs(webHdfsOptions(config, emit));
  await using hive = openHive(hiveOptions(config, emit));
  await using encoder = await parquetEncoder({
    stagingDirectory: config.HYBRIDGE_STAGING_DIR,
    compression: "zstd",
    segmentBytesMax: config.HYBRIDGE_SEGMENT_BYTES_MAX,
  });
  const options = {
    side: "internal",
    config,
    cluster: clusterOptions(config, "HYBRIDGE_SOURCE", "hybridge-warehouse-internal", emit),
    registerIntervalMs: config.HYBRIDGE_REGISTER_INTERVAL_MS,
    store: hdfsLandingStore(hdfs, folder),
    catalog: hiveCatalog({
      hive,
      database: config.HYBRIDGE_HIVE_DATABASE,
      table: config.HYBRIDGE_HIVE_TABLE,
      location: `${folder}/${TABLE_FOLDER}`,
    }),
    encoder,
    emit,
  } as const;
  void sweepHourly(hdfs, folder, emit, signal);
  await runWarehouse(options, signal);
}

/** @throws ConfigError when the settings contradict each other */
function webHdfsOptions(config: WarehouseInternalConfig, emit: Emit): WebHdfsOptions {
  const { HYBRIDGE_HDFS_USER: user, HYBRIDGE_HDFS_DELEGATION_TOKEN: token } = config;
  if (user !== undefined && token !== undefined) {
    throw new ConfigError(
      "HYBRIDGE_HDFS_USER and HYBRIDGE_HDFS_DELEGATION_TOKEN: only one of the two may be set, as the token names its user",
    );
  }
  return {
    url: config.HYBRIDGE_WEBHDFS_URL,
    user: user ?? userInfo().username,
    token,
    tls: tlsFiles(config, "HYBRIDGE_WEBHDFS", emit),
    emit,
  };
}
