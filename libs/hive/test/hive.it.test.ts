import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { UnavailableError } from "@hybridge/core";
import { hdfsTableStore, openWebHdfs } from "@hybridge/hdfs";
import type { FlushRecord, TableStore } from "@hybridge/landing";
import { localFile } from "@hybridge/landing/testing";
import { startHdfs, startHive, type Hdfs, type Hive as LocalHive } from "@hybridge/local";
import { rewriteParquet } from "@hybridge/parquet/testing";
import { headerNames, postAt } from "@hybridge/tweet";
import { executeHive, hiveFollower, openHive, type Hive, type HiveBatch } from "../src/index.ts";
import { runText } from "../src/run-text.ts";
import { readWithHiveDriver } from "./hive-driver.ts";
import { commitOf, landRecords, storedPosition } from "./landed.ts";

const EPOCH = Date.UTC(2026, 10, 23, 9, 59, 58);
const ROWS = 20_000;
const ROOT = "/hybridge";
// The owner of the local HDFS.
const user = userInfo().username;
const signal = AbortSignal.timeout(600_000);

let directory: string;
let hdfs: Hdfs;
let server: LocalHive;
let hive: Hive;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-hive-"));
  hdfs = await startHdfs({ dir: join(directory, "hdfs"), signal });
  server = await startHive({ dir: join(directory, "hive"), hdfs: hdfs.addresses, signal });
  hive = openHive(addressOf(server));
});

after(async () => {
  await hive[Symbol.asyncDispose]();
  await server.stop();
  await hdfs.stop();
  await rm(directory, { recursive: true, force: true });
});

function addressOf({ addresses }: LocalHive): { host: string; port: number; user: string } {
  const [host = "", port = ""] = addresses.address.split(":");
  return { host, port: Number(port), user };
}

const records: FlushRecord[] = Array.from({ length: ROWS }, (_, index) => ({
  offset: BigInt(index),
  timestampMs: EPOCH + index,
  key: Buffer.from(String(index)),
  value: Buffer.from(postAt(7, index, EPOCH).json),
  headers: [[headerNames.source, Buffer.from("replay")]],
}));

const location = `${ROOT}/tweets`;
const stored = storedPosition();
/** As a process has it that has just started. */
const followerOf = (store: TableStore) => hiveFollower({ hive, store, stored, location });

test("every type of Hive comes exact, and as another client reads it", async () => {
  const values = `cast(9007199254740993 as bigint) big, cast(-128 as tinyint) tiny,
    cast('12345678901234567890123456789.123456789' as decimal(38,9)) price,
    timestamp '2026-11-23 09:00:00.123456789' at_time, date '0001-01-01' day_1, true flag,
    cast(1.5 as double) d, 'ä🦆' text, unhex('00FF') raw, array(1, 2) list, map('k', 1) m,
    named_struct('a', 1, 'a2', 'x') s, cast(null as int) gap, cast('v' as varchar(9)) v`;
  const sql = `SELECT ${values}`;
  await using result = await executeHive(hive, sql, { signal });
  const { columns } = result;
  assert.deepEqual(
    columns.map(({ name, engineType, type }) => `${name} ${engineType} ${type}`),
    // prettier-ignore
    ["big bigint int64", "tiny tinyint int64", "price decimal(38,9) decimal", "at_time timestamp timestamp", "day_1 date date", "flag boolean bool", "d double double", "text string string", "raw binary bytes", "list array string", "m map string", "s struct string", "gap int int64", "v varchar(9) string"],
  );
  const batches: HiveBatch[] = [];
  for await (const batch of result.batches) batches.push(batch);
  assert.equal(batches.length, 1);
  const [{ columns: page }] = batches as [HiveBatch];
  assert.deepEqual(
    page.map(({ values: list }) => list[0]),
    // prettier-ignore
    [9007199254740993n, -128n, "12345678901234567890123456789.123456789", "2026-11-23 09:00:00.123456789", "0001-01-01", true, 1.5, "ä🦆", Buffer.from([0, 255]), "[1,2]", '{"k":1}', '{"a":1,"a2":"x"}', 0n, "v"],
  );
  assert.deepEqual(page[12]?.nullRows, [0]);

  const [other] = await readWithHiveDriver(addressOf(server), sql);
  // What hive-driver can hold without loss.
  assert.deepEqual(
    [other?.["at_time"], other?.["text"], other?.["flag"], other?.["gap"], other?.["v"]],
    ["2026-11-23 09:00:00.123456789", "ä🦆", true, null, "v"],
  );
});

test("landed posts become rows, exact to the byte, and the position survives", async () => {
  const files = await landRecords(hdfs, directory, location, records, signal);
  assert.ok(files.length >= 2, "the posts were meant to lie in more than one hour");
  await using webHdfs = openWebHdfs({ url: hdfs.addresses.webhdfs, user });
  const follower = followerOf(hdfsTableStore(webHdfs, location));
  await follower.prepare(signal);
  assert.equal(await follower.position(signal), undefined);
  await follower.follow(commitOf(1, files), signal);
  await follower.follow(commitOf(1, files), signal);

  const [counted] = await runText(
    hive,
    "SELECT count(*), count(DISTINCT id), min(kafka_offset), max(kafka_offset) FROM hybridge.tweets",
    signal,
  );
  assert.deepEqual(counted, [String(ROWS), String(ROWS), "0", String(ROWS - 1)]);

  const selected = ["kafka_offset", "raw", "raw_md5", "kafka_timestamp", "event_time", "hr"];
  const sql = `SELECT ${selected.join(", ")} FROM hybridge.tweets`;
  const seen = new Set<bigint>();
  await using result = await executeHive(hive, sql, { signal });
  for await (const { rowCount, columns } of result.batches) {
    for (let row = 0; row < rowCount; row++) {
      const [offset, raw, md5, timestamp, eventTime, hr] = columns.map(({ values }) => values[row]);
      assert.ok(typeof offset === "bigint" && !seen.has(offset));
      seen.add(offset);
      const original = records[Number(offset)]?.value;
      assert.ok(original && Buffer.from(String(raw)).equals(original), `raw of ${offset}`);
      assert.equal(md5, createHash("md5").update(original).digest("hex"));
      assert.equal(Date.parse(`${String(timestamp)}Z`), EPOCH + Number(offset));
      assert.equal(String(eventTime).slice(11, 13), hr);
    }
  }
  assert.equal(seen.size, ROWS);

  const restarted = followerOf(hdfsTableStore(webHdfs, location));
  await restarted.prepare(signal);
  assert.deepEqual(await restarted.position(signal), { log: "log", number: 1 });
});

test("commits become rows; a table made anew shows all; late files of an old hour show new columns", async () => {
  await using webHdfs = openWebHdfs({ url: hdfs.addresses.webhdfs, user });
  const location = `${ROOT}/followed`;
  const store = hdfsTableStore(webHdfs, location);
  const stored = storedPosition();
  const follower = hiveFollower({ hive, store, stored, database: "followed", location });
  // An hour of an earlier version: table, partition and file know two columns alone.
  await runText(hive, "CREATE DATABASE followed", signal);
  await runText(
    hive,
    `CREATE EXTERNAL TABLE followed.tweets (kafka_offset bigint, raw string)
     PARTITIONED BY (dt string, hr string) STORED AS PARQUET LOCATION '${location}'`,
    signal,
  );
  const [file] = await landRecords(hdfs, directory, `${ROOT}/whole`, records.slice(0, 10), signal);
  assert.ok(file);
  const whole = join(directory, "whole.parquet");
  await writeFile(whole, await webHdfs.read(`${ROOT}/whole/${file.path}`, signal));
  const [, dt = "", hr = ""] = /^dt=(.*)\/hr=(.*)\//.exec(file.path) ?? [];
  const hour = `dt=${dt}/hr=${hr}`;
  const early = join(directory, "early.parquet");
  await rewriteParquet(whole, early, ["kafka_offset", "raw"]);
  await uploadTo(store, `${hour}/early.parquet`, early);
  const added = `ADD PARTITION (dt='${dt}', hr='${hr}') LOCATION '${location}/${hour}'`;
  await runText(hive, `ALTER TABLE followed.tweets ${added}`, signal);
  await follower.prepare(signal);

  // A late file comes into that hour; its columns lie in another order.
  const late = join(directory, "late.parquet");
  await rewriteParquet(whole, late, ["raw", "* EXCLUDE (raw)"]);
  await uploadTo(store, `${hour}/late.parquet`, late);
  const brought = (path: string) => [{ ...file, path }];
  await follower.follow(commitOf(1, brought(`${hour}/late.parquet`)), signal);
  const [seen] = await runText(
    hive,
    "SELECT count(*), count(raw_md5), count(CASE WHEN md5(raw) = raw_md5 THEN 1 END) FROM followed.tweets",
    signal,
  );
  assert.deepEqual(seen, [2 * file.rows, file.rows, file.rows].map(String));

  await runText(hive, "DROP TABLE followed.tweets", signal);
  assert.ok(await webHdfs.status(`${location}/${hour}/late.parquet`, signal));
  const other = "dt=2026-11-24/hr=03";
  await uploadTo(store, `${other}/late.parquet`, late);
  await follower.follow(commitOf(2, brought(`${other}/late.parquet`)), signal);
  assert.deepEqual(stored.now, { log: "log", number: 2 });
  const [all] = await runText(hive, "SELECT count(*) FROM followed.tweets", signal);
  assert.deepEqual(all, [String(3 * file.rows)]);
  const properties = await runText(hive, "SHOW TBLPROPERTIES followed.tweets", signal);
  const kept = new Map(properties.map(([name, value]) => [name, value]));
  assert.deepEqual([kept.get("EXTERNAL"), kept.get("external.table.purge")], ["TRUE", "false"]);
});

async function uploadTo(store: TableStore, path: string, from: string): Promise<void> {
  await store.upload(path, await localFile(directory, await readFile(from)), signal);
}

test("abort stops the statement in the engine", async (context) => {
  if (process.platform !== "linux") {
    context.skip("names of threads are read from /proc");
    return;
  }
  const controller = new AbortController();
  const work = runText(
    hive,
    `SELECT count(*) FROM hybridge.tweets a CROSS JOIN hybridge.tweets b
     WHERE length(concat(a.raw, b.raw)) % 7 = 3`,
    controller.signal,
  );
  let over: unknown;
  void work.catch((error: unknown) => error).then((outcome) => (over = outcome));
  await until(async () => over !== undefined || (await runningTasks()) > 0);
  assert.equal(over, undefined, "the statement was meant to take long");
  const reason = new Error("not wanted any more");
  controller.abort(reason);
  await assert.rejects(work, (error) => error === reason);
  await until(async () => (await runningTasks()) === 0);
});

test("a killed HiveServer2 is an UnavailableError; after its restart all goes on", async () => {
  const work = runText(
    hive,
    "SELECT count(*) FROM hybridge.tweets a CROSS JOIN hybridge.tweets b WHERE a.raw > b.raw",
    signal,
  );
  work.catch(() => undefined);
  await delay(500);
  await server.kill("SIGKILL");
  await assert.rejects(work, UnavailableError);
  await assert.rejects(runText(hive, "SELECT 1", signal), UnavailableError);
  await server.restart(signal);
  assert.deepEqual(await runText(hive, "SELECT 1", signal), [["1"]]);
});

/** Threads of HiveServer2 that run tasks of a query: Tez names them so, and Linux keeps 15 characters. */
async function runningTasks(): Promise<number> {
  const folder = `/proc/${server.pid}/task`;
  let count = 0;
  for (const id of await readdir(folder)) {
    const name = await readFile(join(folder, id, "comm"), "utf8").catch(() => "");
    if (name.startsWith("TezChild")) count += 1;
  }
  return count;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    signal.throwIfAborted();
    await delay(50);
  }
}
