import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { UnavailableError } from "@hybridge/core";
import { hdfsLandingStore, hdfsTableStore, openWebHdfs } from "@hybridge/hdfs";
import type {
  CatalogPosition,
  Cut,
  Following,
  LandingRecord,
  LedgerEntry,
  TableStore,
} from "@hybridge/landing";
import { startHdfs, startHive, type Hdfs, type Hive as LocalHive } from "@hybridge/local";
import { parquetEncoder } from "@hybridge/parquet";
import { rewriteParquet } from "@hybridge/parquet/testing";
import { columns as postColumns, headerNames, postAt } from "@hybridge/tweet";
import {
  executeHive,
  hiveCatalog,
  hiveFollower,
  HiveSchemaError,
  openHive,
  type Hive,
  type HiveBatch,
  type StoredCatalogPosition,
} from "../src/index.ts";
import { runText } from "../src/run-text.ts";
import { readWithHiveDriver } from "./hive-driver.ts";

const EPOCH = Date.UTC(2026, 10, 23, 9, 59, 58);
const ROWS = 20_000;
const ROOT = "/hybridge";
// The owner of the local HDFS.
const user = userInfo().username;
const signal = AbortSignal.timeout(600_000);
const partition = { topic: "hybrid", partition: 3 };

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

const records: LandingRecord[] = Array.from({ length: ROWS }, (_, index) => ({
  offset: BigInt(index),
  timestampMs: EPOCH + index,
  key: Buffer.from(String(index)),
  value: Buffer.from(postAt(7, index, EPOCH).json),
  headers: [[headerNames.source, Buffer.from("replay")]],
}));

/** Lands the posts in HDFS as the warehouse does. */
async function land(): Promise<LedgerEntry> {
  await using webHdfs = openWebHdfs({ url: hdfs.addresses.webhdfs, user });
  const store = hdfsLandingStore(webHdfs, ROOT);
  await using encoder = await parquetEncoder({
    stagingDirectory: join(directory, "staging"),
    compression: "zstd",
  });
  const range = { first: 0n, last: BigInt(ROWS - 1) };
  const cut: Cut = { ...partition, ...range, decidedAtMs: EPOCH, schema: encoder.schema };
  await using segment = await encoder.encode(cut, records, signal);
  const files = [];
  for (const file of segment.files) files.push(await store.publish(file, signal));
  assert.ok(files.length >= 2, "the posts were meant to lie in more than one hour");
  return { cut, files, rows: ROWS, deadLetters: 0 };
}

const catalogOf = (client: Hive) => hiveCatalog({ hive: client, location: `${ROOT}/tweets` });

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
  const entry = await land();
  const catalog = catalogOf(hive);
  await catalog.prepare(signal);
  assert.equal(await catalog.position(partition, signal), undefined);
  await catalog.register([entry], signal);
  await catalog.register([entry], signal);

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

  const restarted = catalogOf(hive);
  await restarted.prepare(signal);
  assert.equal(await restarted.position(partition, signal), BigInt(ROWS));
});

test("dropping the table deletes no file; a new start registers everything again", async () => {
  const entry = await land();
  const catalog = catalogOf(hive);
  await catalog.prepare(signal);
  await runText(hive, "DROP TABLE hybridge.tweets", signal);
  await assert.rejects(catalog.register([entry], signal), HiveSchemaError);
  const again = catalogOf(hive);
  await again.prepare(signal);
  assert.equal(await again.position(partition, signal), undefined);
  await again.register([entry], signal);
  const [row] = await runText(hive, "SELECT count(raw) FROM hybridge.tweets", signal);
  assert.deepEqual(row, [String(ROWS)]);
});

test("a table of an earlier version gets the new columns, and old files are read with them", async () => {
  await runText(hive, "CREATE DATABASE IF NOT EXISTS earlier", signal);
  await runText(
    hive,
    `CREATE EXTERNAL TABLE earlier.tweets (kafka_offset bigint, raw string)
     PARTITIONED BY (dt string, hr string) STORED AS PARQUET LOCATION '${ROOT}/tweets'`,
    signal,
  );
  const options = { hive, database: "earlier", location: `${ROOT}/tweets` };
  await hiveCatalog(options).prepare(signal);
  await hiveCatalog(options).register([await land()], signal);
  const [row] = await runText(
    hive,
    "SELECT raw_md5 FROM earlier.tweets WHERE kafka_offset = 5",
    signal,
  );
  const expected = createHash("md5")
    .update(records[5]?.value ?? "")
    .digest("hex");
  assert.deepEqual(row, [expected]);
  const description = await runText(hive, "DESCRIBE earlier.tweets", signal);
  assert.ok(description.length > postColumns.length);
});

test("commits become rows; a table made anew shows all; late files of an old hour show new columns", async () => {
  await using webHdfs = openWebHdfs({ url: hdfs.addresses.webhdfs, user });
  const location = `${ROOT}/followed`;
  const store = hdfsTableStore(webHdfs, location);
  let position: CatalogPosition | undefined;
  const stored: StoredCatalogPosition = {
    read: () => Promise.resolve(position),
    write: (next) => Promise.resolve(void (position = next)),
  };
  const follower = hiveFollower({ hive, store, stored, database: "followed", location });
  // An hour of an earlier version: table, partition and file know two columns alone.
  await runText(hive, "CREATE DATABASE followed", signal);
  await runText(
    hive,
    `CREATE EXTERNAL TABLE followed.tweets (kafka_offset bigint, raw string)
     PARTITIONED BY (dt string, hr string) STORED AS PARQUET LOCATION '${location}'`,
    signal,
  );
  await using encoder = await parquetEncoder({
    stagingDirectory: join(directory, "followed"),
    compression: "zstd",
  });
  const cut: Cut = {
    ...partition,
    first: 0n,
    last: 9n,
    decidedAtMs: EPOCH,
    schema: encoder.schema,
  };
  await using segment = await encoder.encode(cut, records.slice(0, 10), signal);
  const [file] = segment.files;
  assert.ok(file);
  const { dt, hr } = file;
  const hour = `dt=${dt}/hr=${hr}`;
  const early = join(directory, "early.parquet");
  await rewriteParquet(file.localPath, early, ["kafka_offset", "raw"]);
  await uploadTo(store, `${hour}/early.parquet`, early);
  const added = `ADD PARTITION (dt='${dt}', hr='${hr}') LOCATION '${location}/${hour}'`;
  await runText(hive, `ALTER TABLE followed.tweets ${added}`, signal);
  await follower.prepare(signal);

  // A late file comes into that hour; its columns lie in another order.
  const late = join(directory, "late.parquet");
  await rewriteParquet(file.localPath, late, ["raw", "* EXCLUDE (raw)"]);
  await uploadTo(store, `${hour}/late.parquet`, late);
  await follower.follow(commitOf(1, `${hour}/late.parquet`), signal);
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
  await follower.follow(commitOf(2, `${other}/late.parquet`), signal);
  assert.deepEqual(position, { log: "log", number: 2 });
  const [all] = await runText(hive, "SELECT count(*) FROM followed.tweets", signal);
  assert.deepEqual(all, [String(3 * file.rows)]);
  const properties = await runText(hive, "SHOW TBLPROPERTIES followed.tweets", signal);
  const kept = new Map(properties.map(([name, value]) => [name, value]));
  assert.deepEqual([kept.get("EXTERNAL"), kept.get("external.table.purge")], ["TRUE", "false"]);
});

/** A commit that brings a file, as it is followed. */
function commitOf(number: number, path: string): Following {
  const file = { path, rows: 1, bytes: 1, sha256: "" };
  const actions = [{ do: "add", columns: "c", files: [file] } as const];
  const commit = { log: "log", id: "", base: number - 1, at: 0, writer: "", actions };
  const from = { log: "log", number: number - 1 };
  return { from, to: number, columns: () => [], commits: [{ number, commit }] };
}

async function uploadTo(store: TableStore, path: string, localPath: string): Promise<void> {
  const content = await readFile(localPath);
  const sha256 = createHash("sha256").update(content).digest("hex");
  await store.upload(path, { localPath, bytes: content.length, sha256 }, signal);
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
  await catalogOf(hive).prepare(signal);
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
  assert.equal(await catalogOf(hive).position(partition, signal), BigInt(ROWS));
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
