import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startKafka, startRedshift, startS3 } from "@hybridge/local";
import { openRedshift } from "@hybridge/redshift";
import { openS3, s3TableStore } from "@hybridge/s3";
import {
  landedFiles,
  startWarehouse,
  warehouseAcceptance,
  type WarehouseUnderTest,
} from "@hybridge/warehouse/testing";
import { rowsInFiles, rowsInRedshift } from "./read-back.ts";

const APP = "warehouse-external";
const BUCKET = "landed";
const region = "us-east-1";
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const signal = new AbortController().signal;

async function open(): Promise<WarehouseUnderTest> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "hybridge-external-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const kafka = stack.use(await startKafka({ dir: join(directory, "kafka") }));
  const s3 = stack.use(await startS3({ dir: join(directory, "s3") }));
  const s3Endpoint = s3.addresses.endpoint;
  const redshift = stack.use(await startRedshift({ dir: join(directory, "redshift"), s3Endpoint }));
  const { endpoint } = redshift.addresses;
  const warehouse = stack.use(
    openRedshift({ endpoint, region, workgroup: "test", database: "dev", credentials }),
  );
  const objects = stack.use(openS3({ endpoint: s3Endpoint, region, credentials }));
  const store = s3TableStore(objects, { bucket: BUCKET, prefix: "tweets" });
  const traceFile = join(directory, "spans.ndjson");
  const owned = stack.move();
  return {
    cluster: { bootstrap: kafka.addresses.bootstrap, clientId: "test" },
    traceFile,
    environment: (more) => ({
      HYBRIDGE_TARGET_BOOTSTRAP: kafka.addresses.bootstrap,
      HYBRIDGE_S3_ENDPOINT: s3Endpoint,
      HYBRIDGE_S3_BUCKET: BUCKET,
      HYBRIDGE_REDSHIFT_ENDPOINT: endpoint,
      HYBRIDGE_FLUSH_INTERVAL_MS: "200",
      HYBRIDGE_FLUSH_RECORDS_MAX: "100",
      HYBRIDGE_LOAD_INTERVAL_MS: "200",
      HYBRIDGE_STAGING_DIR: join(directory, "staging"),
      HYBRIDGE_TRACE_FILE: traceFile,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      ...more,
    }),
    rowsInFiles: async () => {
      const { rows } = await landedFiles(store, signal);
      return await rowsInFiles(store, rows, await mkdtemp(join(directory, "scratch-")), signal);
    },
    rowsByQuery: () => rowsInRedshift(warehouse, signal),
    deadLetters: async () => (await landedFiles(store, signal)).deadLetters,
    kafka,
    store: s3,
    catalog: redshift,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const failpoints = [
  "landing.after-encode",
  "landing.before-commit",
  "landing.after-commit",
  "landing.after-publish",
  "landing-log.after-draft",
  "landing-log.after-upload",
  "landing-log.before-create",
  "landing-log.after-create",
  "s3.before-put",
  "s3.after-put",
  "s3.after-put@3",
  "redshift.before-load",
  "redshift.during-load",
  "redshift.after-load",
];

warehouseAcceptance({ app: APP, failpoints, queriesShowDeleted: false }, open);

test("wrong settings end it with every problem named", async () => {
  const wrong = {
    HYBRIDGE_S3_BUCKET: "Not A Bucket",
    HYBRIDGE_REDSHIFT_IAM_ROLE: "me",
    HYBRIDGE_S3_BUKET: "x",
  };
  await using service = startWarehouse(APP, wrong);
  assert.deepEqual(await service.ended, { code: 2, signal: null });
  assert.match(service.log(), /3 settings are wrong/);
  assert.match(service.log(), /HYBRIDGE_S3_BUKET: .*HYBRIDGE_S3_BUCKET/);
});
