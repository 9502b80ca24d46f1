import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, before, test } from "node:test";
import { UnavailableError } from "@hybridge/core";
import {
  CatalogMovedError,
  CatalogRefusedError,
  LogForeignError,
  type TableStore,
} from "@hybridge/landing";
import { postAt, redshiftColumns } from "@hybridge/tweet";
import { RedshiftSchemaError, type CheckResult } from "../src/index.ts";
import { openWarehouse, type Content, type Warehouse } from "./landed.ts";
import { writtenLog, type WrittenLog } from "./written-log.ts";

const signal = new AbortController().signal;
let warehouse: Warehouse;

before(async () => {
  warehouse = await openWarehouse();
});
after(async () => {
  await warehouse[Symbol.asyncDispose]();
});

const posts = (from: number, count: number): Content[] =>
  Array.from({ length: count }, (_, index) => ({ post: from + index }));

/** A log with tables of its own. */
async function tableOf(name: string): Promise<{ log: WrittenLog; offsets: () => Promise<string> }> {
  const log = writtenLog(warehouse);
  await log.follower({ table: name }).prepare(signal);
  return { log, offsets: () => offsetsOf(name) };
}

async function offsetsOf(table: string): Promise<string> {
  const rows = await warehouse.query(
    `SELECT kafka_partition, kafka_offset FROM hybridge.${table} ORDER BY 1, 2`,
  );
  return rows
    .map((row) => `${String(row["kafka_partition"])}:${String(row["kafka_offset"])}`)
    .join(" ");
}

const listOf = (partition: number, first: number, count: number) =>
  Array.from({ length: count }, (_, index) => `${partition}:${first + index}`).join(" ");

test("commits become rows with their exact values; the position moves with them", async () => {
  const { log, offsets } = await tableOf("exact");
  const follower = log.follower({ table: "exact" });
  assert.equal(await follower.position(signal), undefined);
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 30) });
  await log.add({ topic: "t", partition: 1, from: 7, contents: posts(100, 20) });
  const position = await follower.follow(log.after(0), signal);
  assert.deepEqual(position, { log: log.uuid, number: 2 });
  await log.add({ topic: "t", partition: 0, from: 30, contents: posts(30, 10) });
  assert.equal((await follower.follow(log.after(2), signal)).number, 3);
  assert.deepEqual(await log.follower({ table: "exact" }).position(signal), {
    log: log.uuid,
    number: 3,
  });
  assert.equal(await offsets(), `${listOf(0, 0, 40)} ${listOf(1, 7, 20)}`);
  const rows = await warehouse.query(
    "SELECT id, raw_md5, kafka_topic_id FROM hybridge.exact WHERE kafka_partition = 1 ORDER BY kafka_offset",
  );
  rows.forEach((row, index) => {
    const { id, json } = postAt(1, 100 + index, Date.UTC(2026, 10, 23, 9));
    assert.deepEqual(row, { id, raw_md5: hash("md5", json, "hex"), kafka_topic_id: "topic-id-1" });
  });
  const ranges = await warehouse.query(
    "SELECT kafka_partition, first_offset, end_offset, row_count, dead_letters FROM hybridge.exact_ranges ORDER BY 1, 2",
  );
  assert.deepEqual(
    ranges.map((range) => Object.values(range).join(" ")),
    ["0 0 40 40 0", "1 7 27 20 0"],
  );
  const left = await warehouse.table.list("_loads", "", signal);
  assert.deepEqual(left.names, []);
});

test("files of the version before the log load beside those of this one, never in one load", async () => {
  const { log, offsets } = await tableOf("lists");
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 5), list: "former" });
  await log.add({ topic: "t", partition: 0, from: 5, contents: posts(5, 5) });
  await log.add(
    { topic: "t", partition: 1, from: 0, contents: [{ deletionOf: 1, atS: 9 }], list: "former" },
    { topic: "t", partition: 2, from: 0, contents: posts(20, 2) },
  );
  await log.load("lists");
  assert.equal(await offsets(), `0:0 ${listOf(0, 2, 8)} 2:0 2:1`);
  const ids = await warehouse.query(
    "SELECT kafka_topic_id AS id, count(*) AS n FROM hybridge.lists GROUP BY 1 ORDER BY 2",
  );
  assert.deepEqual(ids, [
    { id: null, n: 4n },
    { id: "topic-id-1", n: 7n },
  ]);
});

test("rows that a former process loaded meanwhile are not loaded again", async () => {
  const { log, offsets } = await tableOf("overlap");
  const contents = [...posts(0, 4), { deletionOf: 2 }];
  await log.add({ topic: "t", partition: 0, from: 0, contents, list: "former" });
  await log.load("overlap");
  const again = writtenLog(warehouse);
  again.commits.push(...log.commits);
  await warehouse.query("DELETE FROM hybridge.overlap_position");
  await again.load("overlap");
  assert.equal(await offsets(), "0:0 0:1 0:3");
  const gone = await warehouse.query("SELECT count(*) AS n FROM hybridge.overlap_deletions");
  assert.deepEqual(gone, [{ n: 1n }]);
});

test("a topic that was made anew has its rows beside those of its former life", async () => {
  const { log } = await tableOf("lives");
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 3), topicId: "first" });
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(10, 2), topicId: "second" });
  // The first life's post 2, at a higher offset than its deletion in the second.
  const deletion = [{ deletionOf: 2, atS: 60 }];
  await log.add({ topic: "t", partition: 0, from: 2, contents: deletion, topicId: "second" });
  await log.load("lives");
  const rows = await warehouse.query(
    "SELECT kafka_topic_id AS id, kafka_offset AS o FROM hybridge.lives ORDER BY 1, 2",
  );
  assert.deepEqual(
    rows.map((row) => `${String(row["id"])}:${String(row["o"])}`),
    ["first:0", "first:1", "second:0", "second:1"],
  );
  const ranges = await warehouse.query(
    "SELECT kafka_topic_id AS id, end_offset AS e FROM hybridge.lives_ranges ORDER BY 1",
  );
  assert.deepEqual(ranges, [
    { id: "first", e: 3n },
    { id: "second", e: 3n },
  ]);
});

for (const order of ["post first", "deletion first", "one commit"] as const) {
  test(`a deletion goes by key from whatever partition it comes: ${order}`, async () => {
    const table = `moved_${order.replace(" ", "_")}`;
    const { log, offsets } = await tableOf(table);
    const before = {
      topic: "t",
      partition: 3,
      from: 100,
      contents: [0, 1, 2, 3].map((post) => ({ post, atS: 10 + post })),
    };
    // Partitions were added: later records of the same ids have lower offsets, elsewhere.
    const later = {
      topic: "t",
      partition: 7,
      from: 0,
      contents: [
        { deletionOf: 0, atS: 20 },
        { deletionOf: 2, atS: 21 },
        { post: 2, atS: 22 },
        // Told late what happened before the post was there again.
        { deletionOf: 3, atS: 9 },
      ],
    };
    if (order === "one commit") await log.add(before, later);
    else {
      for (const each of order === "post first" ? [before, later] : [later, before]) {
        await log.add(each);
        await log.load(table);
      }
    }
    await log.load(table);
    // Post 0 went; post 1 had no deletion; post 2 came again; post 3 is newer than its deletion.
    assert.equal(await offsets(), "3:101 3:103 7:2");
    const kept = await warehouse.query(`SELECT count(*) AS n FROM hybridge.${table}_deletions`);
    assert.deepEqual(kept, [{ n: 3n }]);
  });

  test(`an account that is deleted takes its older posts with it: ${order}`, async () => {
    const table = `account_${order.replace(" ", "_")}`;
    const { log, offsets } = await tableOf(table);
    const of = (id: string, atS: number) => ({ postOf: "77", id, atS });
    const before = {
      topic: "t",
      partition: 0,
      from: 0,
      contents: [of("1", 1), of("2", 2), { postOf: "770", id: "3", atS: 3 }, of("4", 30)],
    };
    const account = { topic: "t", partition: 5, from: 0, contents: [{ accountOf: "77", atS: 20 }] };
    if (order === "one commit") await log.add(before, account);
    else {
      for (const each of order === "post first" ? [before, account] : [account, before]) {
        await log.add(each);
        await log.load(table);
      }
    }
    await log.load(table);
    // Post 2 is another author's; post 3 came after the deletion.
    assert.equal(await offsets(), "0:2 0:3");
  });
}

test("posts older than a week go with the sweep, which comes with a load, once a day", async () => {
  const { log, offsets } = await tableOf("swept");
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 3) });
  await log.load("swept");
  const contents = [{ deletionOf: 1, atS: 30 * 86_400 }];
  await log.add({ topic: "t", partition: 1, from: 0, contents });
  await log.load("swept");
  assert.equal(await offsets(), listOf(0, 0, 3));
  await warehouse.query(
    "UPDATE hybridge.swept_position SET swept_at = DATEADD(second, -86401, swept_at)",
  );
  await log.add({ topic: "t", partition: 0, from: 3, contents: posts(3, 1) });
  await log.load("swept");
  assert.equal(await offsets(), "0:0 0:2 0:3");
  const [position] = await warehouse.query("SELECT unswept FROM hybridge.swept_position");
  assert.deepEqual(position, { unswept: 0n });
});

test("files that were taken out before they were loaded are not loaded", async () => {
  const { log, offsets } = await tableOf("out");
  const [refused = ""] = await log.add({
    topic: "t",
    partition: 0,
    from: 0,
    contents: posts(0, 2),
  });
  const [expired = ""] = await log.add({
    topic: "t",
    partition: 1,
    from: 0,
    contents: posts(2, 2),
  });
  await log.add({ topic: "t", partition: 2, from: 0, contents: posts(4, 2) });
  log.say({
    do: "quarantine",
    out: [{ commit: 1, path: refused }],
    why: "refused",
    what: "a test",
  });
  log.say({ do: "expire", out: [{ commit: 2, path: expired }] });
  await log.load("out");
  assert.equal(await offsets(), "2:0 2:1");
});

test("a file that COPY does not take, or has other rows than the log says, is named; the rest loads", async () => {
  const { log, offsets } = await tableOf("refused");
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 2) });
  const [bad = ""] = await log.add({ topic: "t", partition: 1, from: 0, contents: posts(2, 2) });
  await log.add({ topic: "t", partition: 2, from: 0, contents: posts(4, 2) });
  const at = log.commits[1];
  assert.ok(at);
  const lying = at.commit.actions.map((action) =>
    action.do === "add"
      ? { ...action, files: action.files.map((file) => ({ ...file, rows: file.rows + 1 })) }
      : action,
  );
  log.commits[1] = { number: 2, commit: { ...at.commit, actions: lying } };
  const follower = log.follower({ table: "refused" });
  await assert.rejects(follower.follow(log.after(0), signal), (error) => {
    assert.ok(error instanceof CatalogRefusedError);
    assert.deepEqual(error.files, [{ commit: 2, path: bad }]);
    assert.equal(error.why, "altered");
    return true;
  });
  const position = await follower.position(signal);
  assert.equal(position?.number, 1);
  log.say({ do: "quarantine", out: [{ commit: 2, path: bad }], why: "altered", what: "a test" });
  await follower.follow(log.after(1), signal);
  assert.equal(await offsets(), "0:0 0:1 2:0 2:1");
});

test("commits that bring nothing cost no statement, and stay behind the stored position", async () => {
  const { log, offsets } = await tableOf("nothing");
  const follower = log.follower({ table: "nothing" });
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 1) });
  await follower.follow(log.after(0), signal);
  log.say({ do: "sweep", below: 1 });
  assert.equal((await follower.follow(log.after(1), signal)).number, 2);
  assert.equal((await log.follower({ table: "nothing" }).position(signal))?.number, 1);
  await log.add({ topic: "t", partition: 0, from: 1, contents: posts(1, 1) });
  assert.equal((await follower.follow(log.after(2), signal)).number, 3);
  assert.equal(await offsets(), "0:0 0:1");
});

test("who is late learns it, and another log is refused by name", async () => {
  const { log, offsets } = await tableOf("late");
  const [one, two] = [log.follower({ table: "late" }), log.follower({ table: "late" })];
  await one.position(signal);
  await two.position(signal);
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 2) });
  await one.follow(log.after(0), signal);
  // The same load is answered by what became of it.
  assert.equal((await two.follow(log.after(0), signal)).number, 1);
  await log.add({ topic: "t", partition: 0, from: 2, contents: posts(2, 2) });
  await one.follow(log.after(1), signal);
  await log.add({ topic: "t", partition: 0, from: 4, contents: posts(4, 2) });
  await assert.rejects(two.follow(log.after(1), signal), CatalogMovedError);
  assert.equal((await two.position(signal))?.number, 2);
  await two.follow(log.after(2), signal);
  await assert.rejects(one.follow(log.after(1), signal), CatalogMovedError);
  assert.equal(await offsets(), listOf(0, 0, 6));
  const other = writtenLog(warehouse);
  await other.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 1) });
  await assert.rejects(
    other.follower({ table: "late" }).follow(other.after(0), signal),
    LogForeignError,
  );
});

/** Tables as the version before the log made and left them: three posts are loaded. */
const formerPosts = [0, 1, 2].map((offset) => {
  const { id } = postAt(1, offset, Date.UTC(2026, 10, 23, 9));
  return `('t', 0, ${offset}, '2026-11-23 09:00:00', '${id}', 'upsert', '2026-11-23 09:00:00', '[]', '2026-11-23 09:00:00', 'md5')`;
});
const formerColumns = redshiftColumns({ raw: false })
  .split("\n")
  .filter((line) => !line.includes("kafka_topic_id"))
  .map((line) => line.replace(/,$/, ""));
const formerTables = [
  `CREATE TABLE hybridge.former (${formerColumns.join(",")}, PRIMARY KEY (kafka_topic, kafka_partition, kafka_offset))`,
  "CREATE TABLE hybridge.former_deletions (kafka_topic VARCHAR(249) NOT NULL, kafka_partition INTEGER NOT NULL, kafka_offset BIGINT NOT NULL, id VARCHAR(512) NOT NULL, event_time TIMESTAMP NOT NULL, raw_md5 VARCHAR(32) NOT NULL)",
  "CREATE TABLE hybridge.former_loads (kafka_topic VARCHAR(249) NOT NULL, kafka_partition INTEGER NOT NULL, first_offset BIGINT NOT NULL, last_offset BIGINT NOT NULL, row_count BIGINT NOT NULL, dead_letters BIGINT NOT NULL, decided_at TIMESTAMP NOT NULL, loaded_at TIMESTAMP NOT NULL)",
  "CREATE TABLE hybridge.former_load_lock (as_expected SMALLINT NOT NULL)",
  `INSERT INTO hybridge.former (kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, id, op, event_time, hashtags, landed_at, raw_md5) VALUES ${formerPosts.join(", ")}`,
  "INSERT INTO hybridge.former_loads VALUES ('t', 0, 0, 1, 2, 0, '2026-11-23 09:00:00', '2026-11-23 09:00:00'), ('t', 0, 2, 2, 1, 0, '2026-11-23 09:00:00', '2026-11-23 09:00:00')",
];

test("tables of the version before the log get what they lack, and tell what was loaded", async () => {
  await warehouse.redshift.transaction(formerTables, { signal });
  const { log } = await tableOf("former");
  const follower = log.follower({ table: "former" });
  await follower.prepare(signal);
  assert.deepEqual(await follower.formerPositions(signal), [
    { topic: "t", partition: 0, lastOffset: 2n },
  ]);
  await log.add({ topic: "t", partition: 0, from: 3, contents: [{ deletionOf: 1 }, { post: 9 }] });
  await log.load("former");
  assert.equal(await offsetsOf("former"), "0:0 0:2 0:4");
  const added = await warehouse.query(
    "SELECT kafka_offset AS o FROM hybridge.former WHERE kafka_topic_id IS NULL ORDER BY 1",
  );
  assert.deepEqual(added, [{ o: 0n }, { o: 2n }]);
  assert.deepEqual(
    await writtenLog(warehouse).follower({ table: "none" }).formerPositions(signal),
    [],
  );
});

test("a table of somebody else, and a column that nobody knows, are refused by name", async () => {
  await warehouse.query("CREATE TABLE hybridge.other (id VARCHAR(10))");
  const log = writtenLog(warehouse);
  await assert.rejects(log.follower({ table: "other" }).prepare(signal), (error) => {
    assert.ok(error instanceof RedshiftSchemaError);
    assert.match(error.message, /hybridge\.other lacks the columns kafka_topic, /);
    return true;
  });
  await log.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 1) });
  const { log: newer } = await tableOf("newer");
  await newer.add({ topic: "t", partition: 0, from: 0, contents: posts(0, 1) });
  const following = { ...newer.after(0), columns: () => ["id", "from_the_future"] };
  await assert.rejects(newer.follower({ table: "newer" }).follow(following, signal), (error) => {
    assert.ok(error instanceof RedshiftSchemaError);
    assert.match(error.message, /from_the_future/);
    return true;
  });
});

test("the check of a warehouse passes here, and leaves nothing in a schema that was there", async () => {
  const results: CheckResult[] = [];
  const passed = await warehouse.check("hybridge", (result) => results.push(result));
  assert.deepEqual(
    results.filter(({ outcome }) => outcome !== "passed"),
    [],
  );
  assert.ok(passed);
  const left = await warehouse.query(
    "SELECT count(*) AS n FROM svv_all_tables WHERE table_name LIKE 'hybridge_check_%'",
  );
  assert.deepEqual(left, [{ n: 0n }]);
});

test("the check of a warehouse that lacks something says what, with a remedy", async () => {
  const results: CheckResult[] = [];
  const failing: TableStore = {
    ...warehouse.table,
    create: () => Promise.reject(new UnavailableError("no such bucket")),
  };
  assert.equal(await warehouse.check(undefined, (result) => results.push(result), failing), false);
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ["passed", "failed", ...Array.from({ length: 7 }, () => "skipped"), "passed"],
  );
  assert.match(results[1]?.reason ?? "", /no such bucket/);
  assert.match(results[1]?.remedy ?? "", /s3:PutObject/);
});
