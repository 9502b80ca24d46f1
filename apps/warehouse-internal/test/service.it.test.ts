import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openWebHdfs, type WebHdfs } from "@hybridge/hdfs";
import { openHive, type Hive } from "@hybridge/hive";
import {
  startHdfs,
  startHive,
  startKafka,
  type Hdfs,
  type Hive as LocalHive,
  type Kafka,
} from "@hybridge/local";
import {
  startWarehouse,
  TRACEPARENT,
  writeHostile,
  writePosts,
  type Written,
} from "@hybridge/warehouse/testing";
import { deadLettersInHdfs, rowsInHdfs } from "./read-back.ts";

const signal = new AbortController().signal;
const FOLDER = "/hybridge-test";
const written: Written = { rows: [], gone: [], bad: [] };
let directory: string;
let kafka: Kafka;
let hdfs: Hdfs;
let hive: LocalHive;
let client: WebHdfs;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-internal-"));
  [kafka, hdfs] = await Promise.all([
    startKafka({ dir: join(directory, "kafka") }),
    startHdfs({ dir: join(directory, "hdfs") }),
  ]);
  hive = await startHive({ dir: join(directory, "hive"), hdfs: hdfs.addresses });
  client = openWebHdfs({ url: hdfs.addresses.webhdfs, user: userInfo().username });
});
after(async () => {
  await client[Symbol.asyncDispose]();
  await hive[Symbol.asyncDispose]();
  await Promise.all([hdfs[Symbol.asyncDispose](), kafka[Symbol.asyncDispose]()]);
  await rm(directory, { recursive: true, force: true });
});

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    HYBRIDGE_SOURCE_BOOTSTRAP: kafka.addresses.bootstrap,
    HYBRIDGE_WEBHDFS_URL: hdfs.addresses.webhdfs,
    HYBRIDGE_HDFS_DIR: FOLDER,
    HYBRIDGE_HIVE: hive.addresses.address,
    HYBRIDGE_SEGMENT_AGE_MAX_MS: "200",
    HYBRIDGE_SEGMENT_RECORDS_MAX: "100",
    HYBRIDGE_REGISTER_INTERVAL_MS: "200",
    HYBRIDGE_STAGING_DIR: join(directory, "staging"),
    HYBRIDGE_TRACE_FILE: join(directory, "spans.ndjson"),
    ...more,
  };
}

const cluster = () => ({ bootstrap: kafka.addresses.bootstrap, clientId: "test" });

/** Runs the service until all that was written is landed and visible to Hive. */
async function landAll(): Promise<void> {
  await using service = startWarehouse("warehouse-internal", environment());
  await service.until(({ partitions }) => {
    const isDone = partitions.every((one) => {
      return one.endOffset > 0n && one.lag === 0n && one.queryableOffset === one.landedOffset;
    });
    return partitions.length === 2 && isDone;
  });
  service.kill("SIGTERM");
  assert.deepEqual(await service.ended, { code: 0, signal: null });
}

/** The oracle: what lies in HDFS, and what Hive says, is what was written, each once, history and all. */
async function assertAllLanded(): Promise<void> {
  const scratch = await mkdtemp(join(directory, "scratch-"));
  const rows = [...written.rows, ...written.gone].sort();
  assert.deepEqual(await rowsInHdfs(client, FOLDER, scratch, signal), rows);
  assert.deepEqual(await deadLettersInHdfs(client, FOLDER, signal), written.bad.toSorted());
  assert.deepEqual(await rowsInHive(), rows);
}

async function rowsInHive(): Promise<string[]> {
  const [host = "", port = ""] = hive.addresses.address.split(":");
  await using engine = openHive({ host, port: Number(port) });
  const sql =
    "SELECT concat(kafka_partition, '/', kafka_offset, ' ', raw_md5), md5(coalesce(raw, '')) = raw_md5 FROM hybridge.tweets";
  await using result = await engine.execute(sql, { signal });
  const rows: string[] = [];
  for await (const { columns } of result.batches) {
    const [texts, same] = columns;
    assert.ok(texts?.list === "strings" && same?.list === "bools");
    assert.ok(same.values.every(Boolean), "Hive has other bytes than Kafka had");
    rows.push(...texts.values);
  }
  assert.equal(await countInHive(engine), BigInt(rows.length));
  return rows.sort();
}

/** Hive may answer a bare count from statistics: they must know files that came after them. */
async function countInHive(engine: Hive): Promise<bigint | undefined> {
  await using result = await engine.execute("SELECT count(*) FROM hybridge.tweets", { signal });
  let count: bigint | undefined;
  for await (const { columns } of result.batches) {
    if (columns[0]?.list === "int64s") count ??= columns[0].values[0];
  }
  return count;
}

test("lands and registers what is in the topic, and stops at SIGTERM", async () => {
  await writePosts(cluster(), written, 250, signal);
  await writeHostile(cluster(), written, signal);
  await landAll();
  await assertAllLanded();
});

test("a post's trace reaches its landing", async () => {
  const spans = (await readFile(join(directory, "spans.ndjson"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const [, traceId, parentId] = TRACEPARENT.split("-");
  const landed = spans.filter((span) => span["traceId"] === traceId);
  assert.ok(landed.length >= 2, "one per partition");
  for (const span of landed) {
    assert.equal(span["name"], "landing post");
    assert.equal(span["parentSpanId"], parentId);
  }
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
  "hive.before-position",
  "hdfs.after-create",
  "hdfs.before-rename",
  "hdfs.after-rename",
  "hdfs.after-rename@4",
];

test("killed at any failpoint, it goes on with nothing lost and nothing doubled", async () => {
  for (const failpoint of failpoints) {
    await writePosts(cluster(), written, 30, signal);
    // The start that recovers from one kill is the one that the next kill hits.
    await using service = startWarehouse(
      "warehouse-internal",
      environment({ HYBRIDGE_FAILPOINT: failpoint }),
    );
    const end = await service.ended;
    assert.equal(end.signal, "SIGKILL", `${failpoint}: ${service.log()}`);
  }
  await landAll();
  await assertAllLanded();
});

test("components that go away while it runs are waited for", async () => {
  await writePosts(cluster(), written, 30, signal);
  await using service = startWarehouse("warehouse-internal", environment());
  await service.until((status) => status.state === "RUNNING");
  await hdfs.nameNode.kill();
  await writePosts(cluster(), written, 30, signal);
  await service.until((status) => status.state === "DEGRADED" && /store/.test(status.reason));
  await Promise.all([hdfs.nameNode.restart(), hive.kill()]);
  await writePosts(cluster(), written, 30, signal);
  await service.until((status) => /catalog/.test(status.reason) && !/store/.test(status.reason));
  await hive.restart();
  await kafka.kill();
  await kafka.restart();
  await writePosts(cluster(), written, 30, signal);
  const isDone = (one: { lag: bigint; queryableOffset: bigint; landedOffset: bigint }) =>
    one.lag === 0n && one.queryableOffset === one.landedOffset;
  const count = () => written.rows.length + written.gone.length + written.bad.length;
  await service.until(({ state, partitions }) => {
    const end = partitions.reduce((sum, one) => sum + Number(one.endOffset), 0);
    return state === "RUNNING" && end >= count() && partitions.every(isDone);
  });
  service.kill("SIGTERM");
  assert.deepEqual(await service.ended, { code: 0, signal: null });
  await assertAllLanded();
});

test("wrong settings end it with every problem named", async () => {
  const wrong = {
    HYBRIDGE_HDFS_DIR: "relative",
    HYBRIDGE_HIVE: "host:99999",
    HYBRIDGE_TOPICS: "x",
  };
  await using service = startWarehouse("warehouse-internal", environment(wrong));
  assert.deepEqual(await service.ended, { code: 2, signal: null });
  assert.match(service.log(), /3 settings are wrong/);
  assert.match(service.log(), /HYBRIDGE_TOPICS: .*HYBRIDGE_TOPIC/);
});
