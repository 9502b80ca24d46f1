import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { S3Client } from "@aws-sdk/client-s3";
import {
  startKafka,
  startRedshift,
  startS3,
  type Kafka,
  type Redshift as LocalRedshift,
  type S3,
} from "@hybridge/local";
import { openRedshift, type Redshift } from "@hybridge/redshift";
import {
  startWarehouse,
  writeHostile,
  writePosts,
  type Written,
} from "@hybridge/warehouse/testing";
import { deadLettersInS3, rowsInRedshift, rowsInS3 } from "./read-back.ts";

const signal = new AbortController().signal;
const APP = "warehouse-external";
const BUCKET = "landed";
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const written: Written = { rows: [], gone: [], bad: [] };
const stack = new AsyncDisposableStack();
let directory: string;
let kafka: Kafka;
let s3: S3;
let redshift: LocalRedshift;
let objects: S3Client;
let warehouse: Redshift;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-external-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  kafka = stack.use(await startKafka({ dir: join(directory, "kafka") }));
  s3 = stack.use(await startS3({ dir: join(directory, "s3") }));
  const s3Endpoint = s3.addresses.endpoint;
  redshift = stack.use(await startRedshift({ dir: join(directory, "redshift"), s3Endpoint }));
  const region = "us-east-1";
  objects = new S3Client({ endpoint: s3Endpoint, region, forcePathStyle: true, credentials });
  stack.defer(() => objects.destroy());
  const { endpoint } = redshift.addresses;
  warehouse = openRedshift({ endpoint, region, workgroup: "test", database: "dev", credentials });
  stack.use(warehouse);
});
after(() => stack.disposeAsync());

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    HYBRIDGE_TARGET_BOOTSTRAP: kafka.addresses.bootstrap,
    HYBRIDGE_S3_ENDPOINT: s3.addresses.endpoint,
    HYBRIDGE_S3_BUCKET: BUCKET,
    HYBRIDGE_REDSHIFT_ENDPOINT: redshift.addresses.endpoint,
    HYBRIDGE_SEGMENT_AGE_MAX_MS: "200",
    HYBRIDGE_SEGMENT_RECORDS_MAX: "100",
    HYBRIDGE_LOAD_INTERVAL_MS: "200",
    HYBRIDGE_STAGING_DIR: join(directory, "staging"),
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    ...more,
  };
}

const cluster = () => ({ bootstrap: kafka.addresses.bootstrap, clientId: "test" });

/** Runs the service until all that was written is landed and visible in Redshift. */
async function landAll(): Promise<void> {
  await using service = startWarehouse(APP, environment());
  await service.until(({ state, partitions }) => {
    const end = partitions.reduce((sum, one) => sum + Number(one.endOffset), 0);
    const isDone = partitions.every((one) => {
      return one.lag === 0n && one.queryableOffset === one.landedOffset;
    });
    return (
      state === "RUNNING" &&
      end >= written.rows.length + written.gone.length + written.bad.length &&
      isDone
    );
  });
  service.kill("SIGTERM");
  assert.deepEqual(await service.ended, { code: 0, signal: null });
}

/** The oracle: what lies in S3, and what Redshift says, is what was written, each once. */
async function assertAllLanded(): Promise<void> {
  const scratch = await mkdtemp(join(directory, "scratch-"));
  const rows = [...written.rows, ...written.gone].sort();
  assert.deepEqual(await rowsInS3(objects, BUCKET, scratch), rows);
  assert.deepEqual(await deadLettersInS3(objects, BUCKET), written.bad.toSorted());
  assert.deepEqual(await rowsInRedshift(warehouse, signal), written.rows.toSorted());
}

test("makes the bucket, lands and loads what is in the topic, and stops at SIGTERM", async () => {
  await writePosts(cluster(), written, 250, signal);
  await writeHostile(cluster(), written, signal);
  await landAll();
  await assertAllLanded();
});

const failpoints = [
  "landing.before-cut",
  "landing.after-cut",
  "landing.after-encode",
  "landing.before-publish",
  "landing.after-publish",
  "landing.before-dead-letters",
  "landing.after-dead-letters",
  "landing.before-commit",
  "landing.after-commit",
  "landing.before-register",
  "landing.after-register",
  "s3.before-put",
  "s3.after-put",
  "s3.after-put@3",
  "redshift.before-load",
  "redshift.during-load",
  "redshift.after-load",
];

test("killed at any failpoint, it goes on with nothing lost and nothing doubled", async () => {
  for (const failpoint of failpoints) {
    await writePosts(cluster(), written, 30, signal);
    // The start that recovers from one kill is the one that the next kill hits.
    await using service = startWarehouse(APP, environment({ HYBRIDGE_FAILPOINT: failpoint }));
    const end = await service.ended;
    assert.equal(end.signal, "SIGKILL", `${failpoint}: ${service.log()}`);
  }
  await landAll();
  await assertAllLanded();
});

test("components that are killed while it runs are waited for", async () => {
  await writePosts(cluster(), written, 30, signal);
  await using service = startWarehouse(APP, environment());
  await service.until((status) => status.state === "RUNNING");
  await redshift.kill();
  await writePosts(cluster(), written, 30, signal);
  await service.until((status) => status.state === "DEGRADED" && /catalog/.test(status.reason));
  await s3.kill();
  await writePosts(cluster(), written, 30, signal);
  await service.until((status) => status.state === "DEGRADED" && /store/.test(status.reason));
  await s3.restart();
  await redshift.restart();
  await service.until((status) => status.state === "RUNNING");
  service.kill("SIGTERM");
  await service.ended;
  await landAll();
  await assertAllLanded();
});

test("wrong settings end it with every problem named", async () => {
  const wrong = {
    HYBRIDGE_S3_BUCKET: "Not A Bucket",
    HYBRIDGE_REDSHIFT_IAM_ROLE: "me",
    HYBRIDGE_S3_BUKET: "x",
  };
  await using service = startWarehouse(APP, environment(wrong));
  assert.deepEqual(await service.ended, { code: 2, signal: null });
  assert.match(service.log(), /3 settings are wrong/);
  assert.match(service.log(), /HYBRIDGE_S3_BUKET: .*HYBRIDGE_S3_BUCKET/);
});
