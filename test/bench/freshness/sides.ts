import { join } from "node:path";
import type { ClusterOptions } from "@hybridge/kafka";
import { openHive } from "@hybridge/hive";
import { startHdfs, startHive, startKafka, startRedshift, startS3 } from "@hybridge/local";
import { openRedshift } from "@hybridge/redshift";
import { startWarehouse, type WarehouseProcess } from "@hybridge/warehouse/testing";

export const TOPIC = "posts";
const FLUSH_MS = "5000";
/** Between two looks of a catalog for what was landed. */
const FOLLOW_MS = "1000";

/** A Kafka with a warehouse behind it, and a query that tells which rows it shows. */
export interface Side extends AsyncDisposable {
  readonly name: string;
  readonly cluster: ClusterOptions;
  start(): WarehouseProcess;
  /** `partition/offset` of rows with this offset or a later one, as they come. */
  rowsFrom(offset: number, signal: AbortSignal): AsyncIterable<readonly string[]>;
}

const clusterAt = (bootstrap: string): ClusterOptions => ({ bootstrap, clientId: "bench" });

/** Source Kafka to Hive. */
export async function internalSide(dir: string): Promise<Side> {
  await using stack = new AsyncDisposableStack();
  const kafka = stack.use(await startKafka({ dir: join(dir, "kafka") }));
  const hdfs = stack.use(await startHdfs({ dir: join(dir, "hdfs") }));
  const local = await startHive({ dir: join(dir, "hive"), hdfs: hdfs.addresses });
  const { address } = stack.use(local).addresses;
  const [host = "", port = ""] = address.split(":");
  const hive = stack.use(openHive({ host, port: Number(port) }));
  const owned = stack.move();
  return {
    name: "source Kafka to Hive",
    cluster: clusterAt(kafka.addresses.bootstrap),
    start: () =>
      startWarehouse("warehouse-internal", {
        HYBRIDGE_SOURCE_BOOTSTRAP: kafka.addresses.bootstrap,
        HYBRIDGE_TOPIC: TOPIC,
        HYBRIDGE_WEBHDFS_URL: hdfs.addresses.webhdfs,
        HYBRIDGE_HIVE: address,
        HYBRIDGE_FLUSH_INTERVAL_MS: FLUSH_MS,
        HYBRIDGE_REGISTER_INTERVAL_MS: FOLLOW_MS,
        HYBRIDGE_STAGING_DIR: join(dir, "staging"),
      }),
    async *rowsFrom(offset, signal) {
      // A plain selection: Hive answers it itself, without a job.
      const sql =
        "SELECT concat(kafka_partition, '/', kafka_offset) FROM hybridge.tweets " +
        `WHERE kafka_offset >= ${offset}`;
      await using result = await hive.execute(sql, { signal });
      for await (const { columns } of result.batches) yield textsOf(columns[0]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Target Kafka to Redshift. */
export async function externalSide(dir: string): Promise<Side> {
  await using stack = new AsyncDisposableStack();
  const region = "us-east-1";
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const kafka = stack.use(await startKafka({ dir: join(dir, "kafka") }));
  const s3 = stack.use(await startS3({ dir: join(dir, "s3") }));
  const s3Endpoint = s3.addresses.endpoint;
  const local = stack.use(await startRedshift({ dir: join(dir, "redshift"), s3Endpoint }));
  const { endpoint } = local.addresses;
  const redshift = stack.use(
    openRedshift({ endpoint, region, workgroup: "bench", database: "dev", credentials }),
  );
  const owned = stack.move();
  return {
    name: "target Kafka to Redshift",
    cluster: clusterAt(kafka.addresses.bootstrap),
    start: () =>
      startWarehouse("warehouse-external", {
        HYBRIDGE_TARGET_BOOTSTRAP: kafka.addresses.bootstrap,
        HYBRIDGE_TOPIC: TOPIC,
        HYBRIDGE_S3_ENDPOINT: s3Endpoint,
        HYBRIDGE_S3_BUCKET: "landed",
        HYBRIDGE_REDSHIFT_ENDPOINT: endpoint,
        HYBRIDGE_FLUSH_INTERVAL_MS: FLUSH_MS,
        HYBRIDGE_LOAD_INTERVAL_MS: FOLLOW_MS,
        HYBRIDGE_STAGING_DIR: join(dir, "staging"),
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      }),
    async *rowsFrom(offset, signal) {
      const sql =
        "SELECT kafka_partition || '/' || kafka_offset FROM hybridge.tweets " +
        `WHERE kafka_offset >= ${offset}`;
      const { batches } = await redshift.execute(sql, { signal });
      for await (const { columns } of batches) yield textsOf(columns[0]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function textsOf(
  values: { readonly list: string; readonly values: readonly unknown[] } | undefined,
): readonly string[] {
  if (values?.list !== "strings") throw new TypeError("the query did not return texts");
  return values.values as readonly string[];
}
