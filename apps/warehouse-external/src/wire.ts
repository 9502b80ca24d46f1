import { clusterOptions } from "@hybridge/kafka";
import { TABLE_NAME } from "@hybridge/landing";
import { flushEncoder } from "@hybridge/parquet";
import {
  openRedshift,
  redshiftFollower,
  redshiftNames,
  redshiftOptions,
  type RedshiftFollower,
} from "@hybridge/redshift";
import { ensureBucket, openS3, s3Folder, s3Options, s3TableStore } from "@hybridge/s3";
import type { Telemetry } from "@hybridge/tracing";
import { encoderMemory, runWarehouse, type WarehouseOptions } from "@hybridge/warehouse";
import type { WarehouseExternalConfig } from "./config.ts";

/** Constructs the S3 store, the Redshift catalog and the encoder, and lands until the signal. */
export async function runWarehouseExternal(
  config: WarehouseExternalConfig,
  { emit, observe }: Telemetry,
  signal: AbortSignal,
): Promise<void> {
  const folder = s3Folder(config);
  const table = { ...folder, prefix: [folder.prefix, TABLE_NAME].filter(Boolean).join("/") };
  await using s3 = openS3(s3Options(config));
  await using redshift = openRedshift({
    ...redshiftOptions(config, config.HYBRIDGE_S3_REGION),
    emit,
  });
  // Snappy: COPY's support of zstd inside Parquet is not documented.
  await using encoder = await flushEncoder({
    stagingDirectory: config.HYBRIDGE_STAGING_DIR,
    compression: "snappy",
    split: true,
    memoryBytes: encoderMemory(config),
  });
  const store = s3TableStore(s3, table);
  const catalog = redshiftFollower({
    ...{ redshift, store, ...redshiftNames(config) },
    cadence: { minMs: config.HYBRIDGE_LOAD_INTERVAL_MS },
    ...given("iamRole", config.HYBRIDGE_REDSHIFT_IAM_ROLE),
  });
  const options: WarehouseOptions = {
    side: "external",
    config,
    cluster: clusterOptions(config, "HYBRIDGE_TARGET", "hybridge-warehouse-external", emit),
    followIntervalMs: config.HYBRIDGE_LOAD_INTERVAL_MS,
    prepareStore: (until) => ensureBucket(s3, folder.bucket, until),
    store,
    catalog,
    encoder,
    former: {
      parent: s3TableStore(s3, folder),
      visibleEnd: (at, until) => formerEnd(catalog, at, until),
    },
    emit,
    observe,
  };
  await runWarehouse(options, signal);
}

/** Up to where the former version had loaded a partition. */
async function formerEnd(
  catalog: RedshiftFollower,
  at: { readonly topic: string; readonly partition: number },
  signal: AbortSignal,
): Promise<bigint | undefined> {
  const former = await catalog.formerPositions(signal);
  const last = former.find((each) => each.topic === at.topic && each.partition === at.partition);
  return last === undefined ? undefined : last.lastOffset + 1n;
}

/** An option that is there only when it has a value. */
function given<const N extends string, V>(name: N, value: V | undefined): { [K in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [K in N]?: V };
}
