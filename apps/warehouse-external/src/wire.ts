import type { Emit } from "@hybridge/core";
import { clusterOptions } from "@hybridge/kafka";
import { parquetEncoder } from "@hybridge/parquet";
import { openRedshift, redshiftCatalog } from "@hybridge/redshift";
import { openS3, s3Blobs, s3LandingStore, withBucket } from "@hybridge/s3";
import { runWarehouse } from "@hybridge/warehouse";
import type { WarehouseExternalConfig } from "./config.ts";

/** Constructs the S3 store, the Redshift catalog and the encoder, and lands until the signal. */
export async function runWarehouseExternal(
  config: WarehouseExternalConfig,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  const bucket = config.HYBRIDGE_S3_BUCKET;
  const folder = { bucket, prefix: config.HYBRIDGE_S3_PREFIX ?? "" };
  await using s3 = openS3({
    region: config.HYBRIDGE_S3_REGION,
    ...given("endpoint", config.HYBRIDGE_S3_ENDPOINT),
  });
  await using redshift = openRedshift({
    region: config.HYBRIDGE_S3_REGION,
    database: config.HYBRIDGE_REDSHIFT_DATABASE,
    emit,
    ...warehouseOf(config),
    ...given("endpoint", config.HYBRIDGE_REDSHIFT_ENDPOINT),
  });
  // Snappy: COPY's support of zstd inside Parquet is not documented.
  await using encoder = await parquetEncoder({
    stagingDirectory: config.HYBRIDGE_STAGING_DIR,
    compression: "snappy",
    segmentBytesMax: config.HYBRIDGE_SEGMENT_BYTES_MAX,
  });
  const options = {
    side: "external",
    config,
    cluster: clusterOptions(config, "HYBRIDGE_TARGET", "hybridge-warehouse-external"),
    registerIntervalMs: config.HYBRIDGE_LOAD_INTERVAL_MS,
    store: withBucket(s3, bucket, s3LandingStore(s3, folder)),
    catalog: redshiftCatalog({
      redshift,
      blobs: s3Blobs(s3, folder),
      ...given("iamRole", config.HYBRIDGE_REDSHIFT_IAM_ROLE),
    }),
    encoder,
    emit,
  } as const;
  await runWarehouse(options, signal);
}

/** A cluster with its user, or a workgroup: the Data API takes one of the two. */
function warehouseOf(config: WarehouseExternalConfig) {
  const cluster = config.HYBRIDGE_REDSHIFT_CLUSTER;
  if (cluster === undefined) return { workgroup: config.HYBRIDGE_REDSHIFT_WORKGROUP };
  return { cluster, ...given("dbUser", config.HYBRIDGE_REDSHIFT_DB_USER) };
}

/** An option that is there only when it has a value. */
function given<const N extends string, V>(name: N, value: V | undefined): { [K in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [K in N]?: V };
}
