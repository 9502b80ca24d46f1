import type { Emit } from "@hybridge/core";
import { clusterOptions } from "@hybridge/kafka";
import { parquetEncoder } from "@hybridge/parquet";
import { openRedshift, redshiftCatalog, redshiftNames, redshiftOptions } from "@hybridge/redshift";
import { openS3, s3Blobs, s3Folder, s3LandingStore, s3Options, withBucket } from "@hybridge/s3";
import { runWarehouse } from "@hybridge/warehouse";
import type { WarehouseExternalConfig } from "./config.ts";

/** Constructs the S3 store, the Redshift catalog and the encoder, and lands until the signal. */
export async function runWarehouseExternal(
  config: WarehouseExternalConfig,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  const folder = s3Folder(config);
  await using s3 = openS3(s3Options(config));
  await using redshift = openRedshift({
    ...redshiftOptions(config, config.HYBRIDGE_S3_REGION),
    emit,
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
    cluster: clusterOptions(config, "HYBRIDGE_TARGET", "hybridge-warehouse-external", emit),
    registerIntervalMs: config.HYBRIDGE_LOAD_INTERVAL_MS,
    store: withBucket(s3, folder.bucket, s3LandingStore(s3, folder)),
    catalog: redshiftCatalog({
      redshift,
      blobs: s3Blobs(s3, folder),
      ...redshiftNames(config),
      ...given("iamRole", config.HYBRIDGE_REDSHIFT_IAM_ROLE),
    }),
    encoder,
    emit,
  } as const;
  await runWarehouse(options, signal);
}

/** An option that is there only when it has a value. */
function given<const N extends string, V>(name: N, value: V | undefined): { [K in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [K in N]?: V };
}
