import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError, retryOf } from "@hybridge/core";
import type { BlobStore, Catalog, LedgerEntry } from "@hybridge/landing";
import { postAt } from "@hybridge/tweet";
import {
  redshiftCatalog,
  RedshiftSchemaError,
  RedshiftStatementError,
  type Redshift,
} from "../src/index.ts";
import { isUnexpectedEnd, loadSegments } from "../src/load-sql.ts";
import { writeManifest } from "../src/manifest.ts";
import { openWarehouse, type Content, type Warehouse } from "./landed.ts";

const signal = new AbortController().signal;
let warehouse: Warehouse;
let catalog: Catalog;

before(async () => {
  warehouse = await openWarehouse();
  catalog = warehouse.catalog();
  await catalog.prepare(signal);
});
after(async () => {
  await warehouse[Symbol.asyncDispose]();
});

const posts = (from: number, count: number): Content[] =>
  Array.from({ length: count }, (_, index) => ({ post: from + index }));

async function offsetsOf(topic: string): Promise<string> {
  const rows = await warehouse.query(
    `SELECT kafka_partition, kafka_offset FROM hybridge.tweets WHERE kafka_topic = :topic
     ORDER BY kafka_partition, kafka_offset`,
    { topic },
  );
  return rows
    .map((row) => `${String(row["kafka_partition"])}:${String(row["kafka_offset"])}`)
    .join(" ");
}

function offsetList(partition: number, first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `${partition}:${first + index}`).join(" ");
}

test("registered segments are rows, with their exact values; a repetition changes nothing", async () => {
  const a = await warehouse.land("exact", 0, 0n, posts(0, 40));
  const b = await warehouse.land("exact", 1, 7n, posts(100, 25));
  const c = await warehouse.land("exact", 0, 40n, posts(40, 10));
  const zero = { topic: "exact", partition: 0 };
  assert.equal(await catalog.position(zero, signal), undefined);
  await catalog.register([a, b], signal);
  assert.equal(await catalog.position(zero, signal), 40n);
  await catalog.register([a, b, b, c], signal);
  await warehouse.catalog().register([b, a], signal);
  assert.equal(await offsetsOf("exact"), `${offsetList(0, 0, 50)} ${offsetList(1, 7, 25)}`);
  assert.equal(await catalog.position(zero, signal), 50n);
  assert.equal(await catalog.position({ topic: "exact", partition: 1 }, signal), 32n);
  const rows = await warehouse.query(
    "SELECT id, raw_md5 FROM hybridge.tweets WHERE kafka_topic = 'exact' AND kafka_partition = 1 ORDER BY kafka_offset",
  );
  rows.forEach((row, index) => {
    const post = postAt(1, 100 + index, Date.UTC(2026, 10, 23, 9));
    assert.deepEqual(row, { id: post.id, raw_md5: hash("md5", post.json, "hex") });
  });
});

test("preparing again keeps what is there", async () => {
  const before = await warehouse.query("SELECT count(*) AS n FROM hybridge.tweets");
  await catalog.prepare(signal);
  assert.deepEqual(await warehouse.query("SELECT count(*) AS n FROM hybridge.tweets"), before);
});

test("a deletion removes the post before it, in its own load, in earlier and in later ones", async () => {
  const first = await warehouse.land("gone", 0, 0n, [
    { post: 0 },
    { post: 1 },
    { deletionOf: 1 },
    { post: 2 },
  ]);
  const second = await warehouse.land("gone", 0, 4n, [{ deletionOf: 2 }, { post: 3 }, { post: 1 }]);
  await catalog.register([first], signal);
  assert.equal(await offsetsOf("gone"), "0:0 0:3");
  await catalog.register([second], signal);
  // Post 1 came again after its deletion and stays.
  assert.equal(await offsetsOf("gone"), "0:0 0:5 0:6");
  await catalog.register([first, second], signal);
  assert.equal(await offsetsOf("gone"), "0:0 0:5 0:6");
  // Landed once more on purpose: deletions that came later still count.
  const range = "kafka_topic = 'gone' AND first_offset = 0";
  await warehouse.query(`DELETE FROM hybridge.tweets_loads WHERE ${range}`);
  await catalog.register([first], signal);
  assert.equal(await offsetsOf("gone"), "0:0 0:5 0:6");
  const kept = await warehouse.query(
    "SELECT kafka_offset FROM hybridge.tweets_deletions WHERE kafka_topic = 'gone' ORDER BY 1",
  );
  assert.deepEqual(kept, [{ kafka_offset: 2n }, { kafka_offset: 4n }]);
});

/** A deletion on partition 7 of what stands on partition 3, in both orders of landing and in one load. */
for (const order of ["post first", "deletion first", "one load"] as const) {
  test(`a deletion goes by key from whatever partition it comes: ${order}`, async () => {
    const topic = `moved-${order.replace(" ", "-")}`;
    const before = await warehouse.land(topic, 3, 100n, [
      { post: 0, atS: 10 },
      { post: 1, atS: 11 },
      { post: 2, atS: 12 },
      { post: 3, atS: 13 },
    ]);
    // Partitions were added: later records of the same ids have lower offsets, elsewhere.
    const after = await warehouse.land(topic, 7, 0n, [
      { deletionOf: 0, atS: 20 },
      { deletionOf: 2, atS: 21 },
      { post: 2, atS: 22 },
      // Told late what happened before the post was there again.
      { deletionOf: 3, atS: 9 },
    ]);
    if (order === "one load") await catalog.register([before, after], signal);
    else {
      const entries = order === "post first" ? [before, after] : [after, before];
      for (const entry of entries) await catalog.register([entry], signal);
    }
    // Post 0 went; post 1 had no deletion; post 2 came again; post 3 is newer than its deletion.
    assert.equal(await offsetsOf(topic), "3:101 3:103 7:2");
    const kept = await warehouse.query(
      "SELECT count(*) AS n FROM hybridge.tweets_deletions WHERE kafka_topic = :topic",
      { topic },
    );
    assert.deepEqual(kept, [{ n: 3n }]);
  });
}

test("a load that its client left and those of the successor load each segment once", async () => {
  const a = await warehouse.land("left", 0, 0n, posts(0, 300));
  const b = await warehouse.land("left", 0, 300n, posts(300, 300));
  const names = { schema: "hybridge", table: "tweets" };
  // The client that dies has sent its load and waits no longer.
  const manifest = await writeManifest(warehouse.blobs, [a], signal);
  const expected = [{ topic: "left", partition: 0, lastOffset: undefined }];
  const sqls = loadSegments(names, [a], expected, manifest, "default");
  const left = warehouse.redshift.transaction(sqls, { signal }).catch((error: unknown) => error);
  const successors = [warehouse.catalog(), warehouse.catalog()];
  await Promise.all(successors.map((each) => each.register([a, b], signal)));
  await left;
  assert.equal(await offsetsOf("left"), offsetList(0, 0, 600));
  const ledger = await warehouse.query(
    "SELECT count(*) AS n FROM hybridge.tweets_loads WHERE kafka_topic = 'left'",
  );
  assert.deepEqual(ledger, [{ n: 2n }]);
});

test("a load that expects another end of the ledger fails before it reads anything", async () => {
  const entry = await warehouse.land("late", 0, 0n, posts(0, 3));
  await catalog.register([entry], signal);
  const names = { schema: "hybridge", table: "tweets" };
  for (const lastOffset of [undefined, 1n, 5n]) {
    const expected = [{ topic: "late", partition: 0, lastOffset }];
    const sqls = loadSegments(names, [entry], expected, "s3://cloud/none", "default");
    await assert.rejects(warehouse.redshift.transaction(sqls, { signal }), (error) => {
      return error instanceof RedshiftStatementError && isUnexpectedEnd(error.sql);
    });
  }
});

test("what is there is used as it is: nothing is created, whatever the names", async () => {
  const odd = { schema: 'a "raw" tag', table: "user's" };
  const entry = await warehouse.land("odd", 0, 0n, [...posts(0, 3), { deletionOf: 1 }]);
  const sent: string[] = [];
  const watched: Redshift = {
    ...warehouse.redshift,
    transaction(sqls, options) {
      sent.push(...sqls);
      return warehouse.redshift.transaction(sqls, options);
    },
  };
  const open = () => redshiftCatalog({ redshift: watched, blobs: warehouse.blobs, ...odd });
  await open().prepare(signal);
  assert.equal(sent.length, 5);
  await open().prepare(signal);
  assert.equal(sent.length, 5);
  await open().register([entry], signal);
  assert.equal(await open().position(entry.cut, signal), 4n);
  const rows = await warehouse.query(`SELECT count(*) AS n FROM "a ""raw"" tag"."user's"`);
  assert.deepEqual(rows, [{ n: 2n }]);
});

test("a segment of nothing but dead letters moves the position", async () => {
  const { cut } = await warehouse.land("dead", 0, 0n, posts(0, 1));
  await catalog.register([{ cut, files: [], rows: 0, deadLetters: 1 }], signal);
  assert.equal(await catalog.position(cut, signal), 1n);
  assert.equal(await offsetsOf("dead"), "");
});

test("two processes that register the same at once load it once", async () => {
  const entries: LedgerEntry[] = [];
  for (let index = 0; index < 5; index += 1) {
    entries.push(await warehouse.land("twice", index, 0n, posts(index * 50, 50)));
  }
  await Promise.all([
    catalog.register(entries, signal),
    warehouse.catalog().register(entries, signal),
    warehouse.catalog().register(entries.slice(0, 3), signal),
  ]);
  const rows = await warehouse.query(
    "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM hybridge.tweets WHERE kafka_topic = 'twice'",
  );
  assert.deepEqual(rows, [{ n: 250n, ids: 250n }]);
});

test("a load that failed for good says why, and a later process does not take that for news", async () => {
  const entry = await warehouse.land("mended", 0, 0n, posts(0, 3));
  const [file] = entry.files;
  assert.ok(file);
  const later = { ...file, name: "later", location: warehouse.blobs.locationOf("tweets/later") };
  const missing = { ...entry, files: [later] };
  await assert.rejects(catalog.register([missing], signal), (error) => {
    assert.ok(error instanceof RedshiftStatementError);
    assert.match(error.message, /COPY "hybridge_load_staged" FROM.*(NoSuchKey|does not exist)/);
    return true;
  });
  const bytes = await warehouse.blobs.read(`tweets/${file.name}`, signal);
  assert.ok(bytes);
  await warehouse.blobs.create("tweets/later", bytes, signal);
  await warehouse.catalog().register([missing], signal);
  assert.equal(await offsetsOf("mended"), offsetList(0, 0, 3));
});

test("a table of somebody else is refused by name of what it lacks", async () => {
  await warehouse.query("CREATE TABLE hybridge.other (id VARCHAR(10))");
  await assert.rejects(warehouse.catalog("other").prepare(signal), (error) => {
    assert.ok(error instanceof RedshiftSchemaError);
    assert.match(error.message, /hybridge\.other lacks the columns kafka_topic, /);
    return true;
  });
});

test("while S3 is away a load says so and that trying again helps; then it succeeds", async () => {
  const entry = await warehouse.land("away", 0, 0n, posts(0, 5));
  await catalog.register([entry], signal);
  const next = await warehouse.land("away", 0, 5n, posts(5, 5));
  await writeManifest(warehouse.blobs, [next], signal);
  await warehouse.s3.kill("SIGTERM");
  const failsWith = async (store: BlobStore, code: string) => {
    const { redshift } = warehouse;
    const registering = redshiftCatalog({ redshift, blobs: store }).register([next], signal);
    await assert.rejects(registering, (error) => {
      assert.equal((error as { code?: string }).code, code, describeError(error));
      assert.equal(retryOf(error), "backoff");
      return true;
    });
  };
  await failsWith(warehouse.blobs, "S3_UNAVAILABLE");
  // With the manifest out of the way it is COPY that finds S3 away.
  const written: BlobStore = { ...warehouse.blobs, create: () => Promise.resolve("exists") };
  await failsWith(written, "REDSHIFT_INTERRUPTED");
  await warehouse.s3.restart();
  await warehouse.catalog().register([next], signal);
  assert.equal(await offsetsOf("away"), offsetList(0, 0, 10));
});

test("an endpoint killed at any moment of a load leaves all of it or nothing, and is resumed", async (t) => {
  const seed = Date.now() % 100_000;
  t.diagnostic(`seed ${seed}`);
  let next = 0;
  for (let run = 0; run < 3; run += 1) {
    const entry = await warehouse.land("killed", 0, BigInt(next), posts(next, 400));
    const registering = catalog.register([entry], signal).catch((error: unknown) => error);
    await sleep(((seed * (run + 1)) % 400) + 1);
    await warehouse.endpoint.kill("SIGKILL");
    const error = await registering;
    if (error !== undefined) assert.equal(retryOf(error), "backoff", describeError(error));
    await warehouse.endpoint.restart();
    const rows = await warehouse.query(
      "SELECT count(*) AS n FROM hybridge.tweets WHERE kafka_topic = 'killed'",
    );
    assert.ok(rows[0]?.["n"] === BigInt(next) || rows[0]?.["n"] === BigInt(next + 400));
    const restarted = warehouse.catalog();
    await restarted.register([entry], signal);
    next += 400;
    assert.equal(await offsetsOf("killed"), offsetList(0, 0, next));
    assert.equal(await restarted.position(entry.cut, signal), BigInt(next));
  }
});
