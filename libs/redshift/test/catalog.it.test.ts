import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError, retryOf } from "@hybridge/core";
import type { BlobStore, Catalog, LedgerEntry } from "@hybridge/landing";
import { postAt } from "@hybridge/tweet";
import { redshiftCatalog, RedshiftSchemaError, RedshiftStatementError } from "../src/index.ts";
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
    assert.match(error.message, /COPY staged FROM.*(NoSuchKey|does not exist)/);
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
