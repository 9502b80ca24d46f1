import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UnavailableError } from "@hybridge/core";
import { RecordTooLargeError } from "@hybridge/kafka";
import { postAt } from "@hybridge/tweet";
import fc from "fast-check";
import { partitionOfKey } from "../src/publisher/partition-of-key.ts";
import { WINDOW } from "../src/publisher/settled.ts";
import { fakeLog, type FakeLog } from "./fake-log.ts";
import { epochMs, folder, ingest, PARTITIONS, spoolDir, useSpool } from "./ingest-into.ts";

/** What each partition must hold after `posts` generated posts. */
function expected(posts: number, partitions = PARTITIONS): string[][] {
  const all: string[][] = Array.from({ length: partitions }, () => []);
  for (let index = 0; index < posts; index++) {
    const { id, json } = postAt(5, index, epochMs);
    all[partitionOfKey(Buffer.from(id), partitions)]?.push(`${id} ${json}`);
  }
  return all;
}

function held(log: FakeLog, partitions = PARTITIONS): string[][] {
  return Array.from({ length: partitions }, (_, partition) =>
    log.records(partition).map(({ key, value }) => `${String(key)} ${String(value)}`),
  );
}

test("every post is appended to the partition of its key, in order, with its headers", async (t) => {
  const log = fakeLog(PARTITIONS);
  const { status } = await ingest(log, folder(t), { posts: 1_000 });
  assert.deepEqual(held(log), expected(1_000));
  assert.deepEqual([status.acknowledged, status.total, status.inFlight], [1_000, 1_000, 0]);
  const [record] = log.records(0);
  assert.deepEqual(
    record?.headers.map(([name]) => name),
    ["hybridge-source", "hybridge-schema", "hybridge-seq", "hybridge-origin", "traceparent"],
  );
});

test("wherever it is cut off, the next sessions complete the topic: nothing lost, nothing doubled", async (t) => {
  const dir = folder(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ appends: fc.integer({ min: 0, max: 20 }), after: fc.boolean() }), {
        maxLength: 5,
      }),
      fc.integer({ min: 2_000, max: 50_000 }),
      async (cuts, batchBytesMax) => {
        const log = fakeLog(PARTITIONS);
        for (const { appends, after } of cuts) {
          let left = appends;
          const cut = () => {
            if (left-- <= 0) throw new UnavailableError("cut off");
          };
          log.hooks.beforeAppend = after ? none : cut;
          log.hooks.afterAppend = after ? cut : none;
          await ingest(log, dir, { posts: 400 }, { batchBytesMax });
        }
        log.hooks.beforeAppend = log.hooks.afterAppend = none;
        const { status } = await ingest(log, dir, { posts: 400 }, { batchBytesMax });
        assert.deepEqual(held(log), expected(400));
        assert.equal(status.total, 400);
      },
    ),
    { numRuns: 25 },
  );
});

const none = () => undefined;

test("a larger bound goes on where the smaller one ended", async (t) => {
  const log = fakeLog(PARTITIONS);
  const dir = folder(t);
  await ingest(log, dir, { posts: 300 });
  const again = await ingest(log, dir, { posts: 300 });
  assert.deepEqual([again.status.acknowledged, again.status.total], [0, 300]);
  const more = await ingest(log, dir, { posts: 800 });
  assert.deepEqual([more.status.acknowledged, more.status.total], [500, 800]);
  assert.deepEqual(held(log), expected(800));
});

test("files come first, byte for byte; what is no post is put aside once", async (t) => {
  const dir = folder(t);
  const list = join(dir, "a.json");
  const lines = join(dir, "b.ndjson");
  writeFileSync(list, '{"statuses":[{"id_str": "1"},\n 17, {"id_str":"1","again":true}]}');
  const notUtf8 = Buffer.concat([
    Buffer.from('{"id_str":"'),
    Buffer.from([0xff]),
    Buffer.from('"}\n'),
  ]);
  const large = `{"id_str":"5","text":"${"x".repeat(3_000)}"}`;
  writeFileSync(
    lines,
    Buffer.concat([Buffer.from('{"id_str":"3"}\r\n\nno json\n'), notUtf8, Buffer.from(large)]),
  );
  const replay = { posts: 12, files: [list, lines], postBytesMax: 2_000 };
  const log = fakeLog(PARTITIONS);
  for (let round = 0; round < 2; round++) {
    const { status } = await ingest(log, dir, replay);
    assert.equal(status.total, 12);
  }
  const values = held(log).flat();
  assert.equal(values.length, 12);
  assert.ok(values.includes('1 {"id_str": "1"}'));
  assert.ok(values.includes('3 {"id_str":"3"}'));
  for (let index = 0; index < 10; index++) {
    const { id, json } = postAt(5, index, epochMs);
    assert.ok(values.includes(`${id} ${json}`));
  }
  const letters = readFileSync(join(dir, "ingest.ndjson"), "utf8").trimEnd().split("\n");
  const seen = letters.map((line) => {
    const { file, item, code } = JSON.parse(line) as Record<string, unknown>;
    return [file, item, code];
  });
  assert.deepEqual(seen, [
    ["a.json", 2, "NOT_AN_OBJECT"],
    ["b.ndjson", 3, "NOT_JSON"],
    ["b.ndjson", 4, "NOT_UTF8"],
    ["b.ndjson", 5, "TOO_LARGE"],
  ]);
});

test("a post that the broker refuses is put aside alone, and its neighbours go on", async (t) => {
  const dir = folder(t);
  const log = fakeLog(PARTITIONS);
  const refused = postAt(5, 33, epochMs).id;
  log.hooks.beforeAppend = (_, records) => {
    if (records.some(({ key }) => String(key) === refused))
      throw new RecordTooLargeError("too large");
  };
  const { status } = await ingest(log, dir, { posts: 200 });
  assert.deepEqual([status.acknowledged, status.deadLetters], [199, 1]);
  assert.deepEqual(
    held(log),
    expected(200).map((each) => each.filter((text) => !text.startsWith(`${refused} `))),
  );
  assert.match(readFileSync(join(dir, "ingest.ndjson"), "utf8"), /"item":33,.*"code":"REFUSED"/);
});

test("a partition that retention emptied is not filled again", async (t) => {
  const log = fakeLog(PARTITIONS);
  const dir = folder(t);
  const posts = WINDOW + 2_000;
  await ingest(log, dir, { posts }, { batchBytesMax: 200_000 });
  const before = held(log);
  log.expire(2);
  await ingest(log, dir, { posts: posts + 10 }, { batchBytesMax: 200_000 });
  const old = new Set(before[2]?.slice(0, Math.floor((before[2].length * 2_000) / posts) - 100));
  assert.ok(old.size > 100);
  for (const text of held(log)[2] ?? []) assert.ok(!old.has(text));
});

test("what was acknowledged may be lost or old: the topic tells", async (t) => {
  const log = fakeLog(PARTITIONS);
  const dir = folder(t);
  await ingest(log, dir, { posts: 300 });
  const path = join(spoolDir(log, dir, false), "acknowledged.json");
  const old = readFileSync(path, "utf8");
  await ingest(log, dir, { posts: 500 });
  writeFileSync(path, old);
  const stale = await ingest(log, dir, { posts: 500 });
  assert.deepEqual([stale.status.acknowledged, stale.status.total], [0, 500]);
  rmSync(path);
  const lost = await ingest(log, dir, { posts: 700 });
  assert.deepEqual([lost.status.acknowledged, lost.status.total], [200, 700]);
  assert.deepEqual(held(log), expected(700));
});

test("several spools write to one topic, and each finds its own records", async (t) => {
  const log = fakeLog(PARTITIONS);
  const dir = folder(t);
  await ingest(log, dir, { posts: 200 });
  const first = spoolDir(log, dir, false);
  const other = await ingest(log, dir, { posts: 100, seed: 6 }, { newSpool: true });
  assert.deepEqual([other.status.acknowledged, other.status.total], [100, 100]);
  useSpool(log, first);
  rmSync(join(first, "acknowledged.json"));
  const again = await ingest(log, dir, { posts: 250 });
  assert.deepEqual([again.status.acknowledged, again.status.total], [50, 250]);
});

test("posts of other streams are told and left alone", async (t) => {
  const log = fakeLog(PARTITIONS);
  const dir = folder(t);
  await ingest(log, dir, { posts: 50, seed: 6 });
  const { events, status } = await ingest(log, dir, { posts: 100 });
  assert.equal(status.total, 100);
  assert.ok(events.names().includes("ingest.other_stream_found"));
  const back = await ingest(log, dir, { posts: 60, seed: 6 });
  assert.deepEqual([back.status.acknowledged, back.status.total], [10, 60]);
});

test("what a lane cannot cure ends the session with the reason", async (t) => {
  const log = fakeLog(PARTITIONS);
  const broken = new UnavailableError("the broker is away");
  log.hooks.beforeAppend = () => {
    throw broken;
  };
  const { error } = await ingest(log, folder(t), { posts: 10 });
  assert.equal(error, broken);
});
