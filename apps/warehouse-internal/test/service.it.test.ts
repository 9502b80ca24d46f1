import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hdfsTableStore, openWebHdfs } from "@hybridge/hdfs";
import { startHdfs, startHive, startKafka } from "@hybridge/local";
import {
  landedFiles,
  startWarehouse,
  warehouseAcceptance,
  type WarehouseUnderTest,
} from "@hybridge/warehouse/testing";
import { rowsInHdfs } from "./read-back.ts";
import { rowsInHive } from "./rows-in-hive.ts";

const APP = "warehouse-internal";
const FOLDER = "/hybridge-test";
const signal = new AbortController().signal;

async function open(): Promise<WarehouseUnderTest> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "hybridge-internal-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const [kafka, hdfs] = await Promise.all([
    startKafka({ dir: join(directory, "kafka") }),
    startHdfs({ dir: join(directory, "hdfs") }),
  ]);
  stack.use(kafka);
  stack.use(hdfs);
  const hive = stack.use(await startHive({ dir: join(directory, "hive"), hdfs: hdfs.addresses }));
  const { webhdfs } = hdfs.addresses;
  const client = stack.use(openWebHdfs({ url: webhdfs, user: userInfo().username }));
  const traceFile = join(directory, "spans.ndjson");
  const store = hdfsTableStore(client, `${FOLDER}/tweets`);
  const owned = stack.move();
  return {
    cluster: { bootstrap: kafka.addresses.bootstrap, clientId: "test" },
    traceFile,
    environment: (more) => ({
      HYBRIDGE_SOURCE_BOOTSTRAP: kafka.addresses.bootstrap,
      HYBRIDGE_WEBHDFS_URL: webhdfs,
      HYBRIDGE_HDFS_DIR: FOLDER,
      HYBRIDGE_HIVE: hive.addresses.address,
      HYBRIDGE_FLUSH_INTERVAL_MS: "200",
      HYBRIDGE_FLUSH_RECORDS_MAX: "100",
      HYBRIDGE_REGISTER_INTERVAL_MS: "200",
      HYBRIDGE_STAGING_DIR: join(directory, "staging"),
      HYBRIDGE_TRACE_FILE: traceFile,
      ...more,
    }),
    rowsInFiles: async () =>
      rowsInHdfs(client, FOLDER, await mkdtemp(join(directory, "scratch-")), signal),
    rowsByQuery: () => rowsInHive(hive.addresses.address, signal),
    deadLetters: async () => (await landedFiles(store, signal)).deadLetters,
    kafka,
    store: hdfs.nameNode,
    catalog: hive,
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
  "landing-log.after-move",
  "hive.before-position",
  "hdfs.after-create",
  "hdfs.before-rename",
  "hdfs.after-rename",
  "hdfs.after-rename@4",
];

warehouseAcceptance({ app: APP, failpoints, queriesShowDeleted: true }, open);

test("wrong settings end it with every problem named", async () => {
  const wrong = {
    HYBRIDGE_HDFS_DIR: "relative",
    HYBRIDGE_HIVE: "host:99999",
    HYBRIDGE_TOPICS: "x",
  };
  await using service = startWarehouse(APP, wrong);
  assert.deepEqual(await service.ended, { code: 2, signal: null });
  assert.match(service.log(), /3 settings are wrong/);
  assert.match(service.log(), /HYBRIDGE_TOPICS: .*HYBRIDGE_TOPIC/);
});
