import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openWebHdfs } from "@hybridge/hdfs";
import { startHdfs, startHive, startKafka } from "@hybridge/local";
import {
  startWarehouse,
  unpackEarlierVersion,
  writePosts,
  type Written,
} from "@hybridge/warehouse/testing";
import { rowsInHdfs } from "./read-back.ts";
import { rowsInHive } from "./rows-in-hive.ts";

const APP = "warehouse-internal";
const signal = new AbortController().signal;

test("the ledger of the former version is taken over while that still runs", async (context) => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "hybridge-take-over-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const checkout = join(directory, "former");
  const problem = unpackEarlierVersion("ledger", checkout);
  if (problem !== undefined) {
    context.skip(problem);
    return;
  }
  const kafka = stack.use(await startKafka({ dir: join(directory, "kafka") }));
  const hdfs = stack.use(await startHdfs({ dir: join(directory, "hdfs") }));
  const hive = stack.use(await startHive({ dir: join(directory, "hive"), hdfs: hdfs.addresses }));
  const { webhdfs } = hdfs.addresses;
  const client = stack.use(openWebHdfs({ url: webhdfs, user: userInfo().username }));
  const cluster = { bootstrap: kafka.addresses.bootstrap, clientId: "test" };
  const written: Written = { rows: [], gone: [], bad: [] };
  const shared = {
    HYBRIDGE_SOURCE_BOOTSTRAP: kafka.addresses.bootstrap,
    HYBRIDGE_WEBHDFS_URL: webhdfs,
    HYBRIDGE_HDFS_DIR: "/hybridge-test",
    HYBRIDGE_HIVE: hive.addresses.address,
    HYBRIDGE_REGISTER_INTERVAL_MS: "200",
  };
  await writePosts(cluster, written, 200, signal);
  const former = stack.use(
    startWarehouse(
      APP,
      {
        ...shared,
        HYBRIDGE_SEGMENT_AGE_MAX_MS: "200",
        HYBRIDGE_SEGMENT_RECORDS_MAX: "50",
        HYBRIDGE_STAGING_DIR: join(directory, "former-staging"),
      },
      checkout,
    ),
  );
  const count = () => written.rows.length + written.gone.length + written.bad.length;
  await former.until(({ landed }) => landed > 100n);
  // It is in the middle of its work, and goes on, when the other one starts.
  const present = stack.use(
    startWarehouse(APP, {
      ...shared,
      HYBRIDGE_FLUSH_INTERVAL_MS: "200",
      HYBRIDGE_STAGING_DIR: join(directory, "staging"),
    }),
  );
  for (let round = 0; round < 5; round++) await writePosts(cluster, written, 40, signal);
  await present.until(({ partitions }) => {
    const end = partitions.reduce((sum, one) => sum + Number(one.endOffset), 0);
    const isDone = partitions.every((one) => {
      return one.lag === 0n && one.queryableOffset === one.landedOffset;
    });
    return partitions.length === 2 && end >= count() && isDone;
  });
  await writePosts(cluster, written, 40, signal);
  // Whoever was overtaken says so, and stops.
  await former.ended;
  assert.match(former.log(), /LANDING_FENCED|already holds something else/);
  await present.until(({ partitions }) => {
    const end = partitions.reduce((sum, one) => sum + Number(one.endOffset), 0);
    return (
      end >= count() &&
      partitions.every((one) => one.lag === 0n && one.queryableOffset === one.landedOffset)
    );
  });
  present.kill("SIGTERM");
  assert.deepEqual(await present.ended, { code: 0, signal: null });
  const rows = written.rows.toSorted();
  assert.deepEqual(
    await rowsInHdfs(client, "/hybridge-test", join(directory, "scratch"), signal),
    rows,
  );
  assert.deepEqual(await rowsInHive(hive.addresses.address, signal), rows);
});
