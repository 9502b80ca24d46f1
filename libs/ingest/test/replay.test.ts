import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { ConfigError } from "@hybridge/core";
import { headerNames } from "@hybridge/tweet";
import fc from "fast-check";
import { openReplayFile } from "../src/feeds/files/replay-file.ts";
import { originHeader, sequenceHeader } from "../src/publisher/sequence.ts";
import { fakeLog, type FakeLog } from "./fake-log.ts";
import { folder, ingest, PARTITIONS } from "./ingest-into.ts";

/** Lets the files run out: the generator would go on for ever. */
const ALL = { posts: 1_000_000_000 };

const post = (id: number, more = "") => `{"id_str":"${id}","text":"post ${id}"${more}}`;

/** Replays files until they are read; what follows from the generator is cut off. */
async function replay(log: FakeLog, dir: string, files: readonly string[], records: number) {
  return await ingest(log, dir, { ...ALL, posts: records, files });
}

function keys(log: FakeLog): string[] {
  const all = Array.from({ length: PARTITIONS }, (_, partition) => log.records(partition));
  return all
    .flat()
    .map(({ key }) => String(key))
    .sort();
}

/** Records of the generator. */
function generated(log: FakeLog): number {
  const all = Array.from({ length: PARTITIONS }, (_, partition) => log.records(partition)).flat();
  return all.filter(({ headers }) =>
    headers.some(([name, value]) => name === originHeader && String(value).startsWith("seed-")),
  ).length;
}

/** What the version before called a replay of one file with the seed of the tests. */
function oldName(path: string): string {
  const bytes = readFileSync(path).length;
  const digest = createHash("sha256")
    .update(`5\n${basename(path)} ${bytes}`)
    .digest("hex");
  return `replay-${digest.slice(0, 12)}`;
}

function write(dir: string, name: string, content: string | Buffer): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

const forms: readonly (readonly [name: string, content: string | Buffer])[] = [
  ["lines.json", `${post(1)}\n${post(2)}\n${post(3)}\n`],
  ["crlf.txt", `${post(1)}\r\n\r\n  \r\n${post(2)}\r\n${post(3)}`],
  ["list.ndjson", `[${post(1)},\n${post(2)},${post(3)}]`],
  [
    "pretty.json",
    JSON.stringify(
      [1, 2, 3].map((id) => JSON.parse(post(id)) as unknown),
      null,
      2,
    ),
  ],
  ["statuses.json", `{"statuses":[${post(1)},${post(2)},${post(3)}],"search_metadata":{}}`],
  ["concatenated.json", `{\n"id_str":"1"}\n${post(2)}${post(3)}`],
  [
    "pages.jsonl",
    '{"data":[{"id":"1","text":"a","author_id":"7"},{"id":"2","text":"b"}],"includes":{"users":[{"id":"7","username":"u"}]}}\n' +
      '{"data":[{"id":"3","text":"c"}],"meta":{}}\n',
  ],
  [
    "archive.js",
    `window.YTD.tweets.part0 = [\n{"tweet":${post(1)}},\n{"tweet":${post(2)}},{"tweet":${post(3)}}\n]`,
  ],
  ["marked.json", `\uFEFF${post(1)}\n${post(2)}\n${post(3)}`],
  ["packed", gzipSync(`${post(1)}\n${post(2)}\n${post(3)}\n`)],
  [
    "members.gz",
    Buffer.concat([
      gzipSync(`${post(1)}\n${post(2)}`),
      gzipSync(`\n${post(3)}\n`),
      Buffer.alloc(99),
    ]),
  ],
  [
    "frames.zst",
    Buffer.concat([zstdCompressSync(`${post(1)}\n${post(2)}`), zstdCompressSync(`\n${post(3)}\n`)]),
  ],
];

for (const [name, content] of forms) {
  test(`${name} is read by its content`, async (t) => {
    const dir = folder(t);
    const log = fakeLog(PARTITIONS);
    const { status } = await replay(log, dir, [write(dir, name, content)], 3);
    assert.deepEqual(keys(log), ["1", "2", "3"]);
    assert.equal(status.read.posts, 3);
    assert.equal(status.deadLetters, 0);
  });
}

const refused: readonly (readonly [name: string, content: string | Buffer, said: RegExp])[] = [
  ["wide", Buffer.from(`\uFEFF${post(1)}`, "utf16le"), /UTF-16/],
  ["wide-unmarked", Buffer.from(post(1), "utf16le"), /UTF-16/],
  ["archive.zip", Buffer.from("504b0304140000000800", "hex"), /ZIP/],
  ["binary", Buffer.from(Array.from({ length: 5_000 }, (_, at) => (at * 7) % 251)), /binary/],
  ["cut.gz", gzipSync(post(1)).subarray(0, 8), /cut off or damaged/],
  [
    "other.json",
    JSON.stringify(
      Array.from({ length: 50_000 }, (_, n) => ({ n })),
      null,
      1,
    ),
    /none of/,
  ],
  ["object.json", `{\n${'"k": [1,\n2],\n'.repeat(400_000)}"z":1}`, /no list and no page/],
];

for (const [name, content, said] of refused) {
  test(`${name} is refused once, at the start`, async (t) => {
    const path = write(folder(t), name, content);
    await assert.rejects(openReplayFile(path), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, said);
      assert.match(error.message, /HYBRIDGE_REPLAY_FILES/);
      return true;
    });
  });
}

test("what is not there or no file is refused at the start", async (t) => {
  const dir = folder(t);
  mkdirSync(join(dir, "sub"));
  await assert.rejects(openReplayFile(join(dir, "none")), ConfigError);
  await assert.rejects(openReplayFile(join(dir, "sub")), /not a file/);
});

test("a packed file that is cut off gives what stands before, and is told", async (t) => {
  const dir = folder(t);
  const log = fakeLog(PARTITIONS);
  const lines = Array.from({ length: 2_000 }, (_, id) => `${post(id)}\n`).join("");
  const packed = gzipSync(lines, { level: 0 });
  const path = write(dir, "cut.gz", packed.subarray(0, packed.length - 5_000));
  const { broken, status } = await replay(log, dir, [path], 2_500);
  assert.deepEqual(broken, ["cut.gz"]);
  assert.equal(status.total, 2_500);
  const ids = keys(log).filter((key) => key.length < 5);
  assert.ok(ids.length > 1_500 && ids.length < 2_000, `${ids.length} posts of the file`);
});

test("a deletion and another version are records, the same again is not, and all is counted", async (t) => {
  const dir = folder(t);
  const log = fakeLog(PARTITIONS);
  const commit = (operation: string, rev: string) =>
    JSON.stringify({
      did: "did:plc:a",
      time_us: 1_764_064_800_000_000,
      kind: "commit",
      commit: {
        rev,
        operation,
        collection: "app.bsky.feed.post",
        rkey: "3k1",
        ...(operation === "delete"
          ? {}
          : {
              record: { $type: "app.bsky.feed.post", createdAt: "2025-11-25T10:00:00Z", text: rev },
            }),
      },
    });
  const like =
    '{"did":"did:plc:a","time_us":1,"kind":"commit","commit":{"rev":"x","operation":"create","collection":"app.bsky.feed.like","rkey":"1","record":{}}}';
  const lines = [
    post(1),
    '{"delete":{"status":{"id":1,"id_str":"1","user_id":1,"user_id_str":"1"},"timestamp_ms":"1764064800000"}}',
    post(1),
    commit("create", "r1"),
    commit("update", "r2"),
    commit("delete", "r3"),
    commit("delete", "r3"),
    like,
    '{"limit":{"track":5,"timestamp_ms":"1764064800000"}}',
    "nonsense",
  ];
  const { status } = await replay(log, dir, [write(dir, "events.ndjson", lines.join("\n"))], 6);
  const all = Array.from({ length: PARTITIONS }, (_, partition) => log.records(partition)).flat();
  const ops = (id: string) =>
    all
      .filter(({ key }) => String(key) === id)
      .map(({ headers }) => String(headers.find(([name]) => name === headerNames.op)?.[1] ?? "-"));
  assert.deepEqual(ops("1"), ["-", "delete"]);
  const rkey = all.map(({ key }) => String(key)).find((key) => key.includes("3k1")) ?? "";
  assert.deepEqual(ops(rkey), ["-", "-", "delete"]);
  const { posts, deletions, duplicates, unreadable, others } = status.read;
  assert.deepEqual([posts, deletions, duplicates, unreadable], [4, 2, 2, 1]);
  assert.deepEqual(
    [...others],
    [
      ["app.bsky.feed.like", 1],
      ["limit", 1],
    ],
  );
});

test("a line that is added goes behind; a finished file has nothing more to give", async (t) => {
  const dir = folder(t);
  const log = fakeLog(PARTITIONS);
  const path = write(dir, "a.ndjson", `${post(1)}\n${post(2)}\n`);
  await replay(log, dir, [path], 2);
  const again = await replay(log, dir, [path], 2);
  assert.deepEqual([again.status.acknowledged, again.status.total], [0, 2]);
  const said = again.events.events.find(({ name }) => name === "ingest.resumed")?.message ?? "";
  assert.match(said, /has posts up to place 1 of a.ndjson/);
  appendFileSync(path, `${post(3)}\n`);
  const more = await replay(log, dir, [path], 3);
  assert.deepEqual([more.status.acknowledged, more.status.total], [1, 3]);
  const renamed = write(dir, "b.gz", gzipSync(readFileSync(path)));
  const packed = await replay(log, dir, [renamed], 3);
  assert.equal(packed.status.acknowledged, 0, "another name and form, the same content");
  assert.deepEqual(keys(log), ["1", "2", "3"]);
});

test("a file is told from another of the same name and size, wherever they differ", async (t) => {
  const dir = folder(t);
  const log = fakeLog(PARTITIONS);
  const write3 = (ids: readonly number[]) =>
    write(dir, "a.ndjson", ids.map((id) => `${post(id)}\n`).join(""));
  await replay(log, dir, [write3([1, 2, 3])], 3);
  const first = await replay(log, dir, [write3([4, 5, 6])], 3);
  assert.equal(first.status.acknowledged, 3);
  const middle = await replay(log, dir, [write3([1, 7, 3])], 1);
  assert.deepEqual([middle.status.acknowledged, middle.status.read.duplicates], [1, 1]);
  assert.ok(middle.events.names().includes("ingest.other_stream_found"));
  for (const [ids, records] of [
    [[1, 2, 3], 3],
    [[4, 5, 6], 3],
    [[1, 7, 3], 1],
  ] as const) {
    const back = await replay(log, dir, [write3(ids)], records);
    assert.equal(back.status.acknowledged, 0, "each is known");
  }
  assert.deepEqual(keys(log), ["1", "2", "3", "4", "5", "6", "7"]);
});

test("wherever several files grow, are cut off and change places: each line once", async (t) => {
  const dir = folder(t);
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          add: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 3, maxLength: 3 }),
          order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
          bound: fc.integer({ min: 1, max: 150 }),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      async (runs) => {
        round += 1;
        const log = fakeLog(PARTITIONS);
        const sizes = [0, 0, 0];
        const path = (file: number) => join(dir, `${round}-${file}.ndjson`);
        for (const { add, order, bound } of runs) {
          for (const file of [0, 1, 2]) {
            const from = sizes[file] ?? 0;
            const to = from + (add[file] ?? 0);
            sizes[file] = to;
            const ids = Array.from(
              { length: to - from },
              (_, at) => `${file + 1}${from + at + 1_000}`,
            );
            appendFileSync(path(file), ids.map((id) => `{"id_str":"${id}"}\n`).join(""));
          }
          const total = sizes.reduce((sum, each) => sum + each);
          if (total === 0) continue;
          const { error } = await replay(log, dir, order.map(path), Math.min(bound, total));
          assert.equal(error, undefined);
        }
        const total = sizes.reduce((sum, each) => sum + each);
        if (total === 0) return;
        await replay(log, dir, [0, 1, 2].map(path), total);
        const expected = sizes.flatMap((size, file) =>
          Array.from({ length: size }, (_, at) => `${file + 1}${at + 1_000}`),
        );
        assert.deepEqual(keys(log), expected.sort());
      },
    ),
    { numRuns: 20 },
  );
});

test("what the version before wrote is gone on with", async (t) => {
  const dir = folder(t);
  const log = fakeLog(PARTITIONS);
  const path = write(dir, "a.ndjson", `${post(1)}\n${post(2)}\n`);
  await replay(log, dir, [path], 5);
  const before = keys(log);
  log.rewriteHeaders((headers) =>
    headers.flatMap(([name, value]) => {
      if (name === sequenceHeader) return [];
      if (name !== originHeader) return [[name, value] as const];
      const [stream = "", place = "", partitions] = String(value).split("/");
      const item = Number(place.split(".")[0]) + (stream.startsWith("seed") ? 2 : 0);
      const old = Buffer.from(`${oldName(path)}/${item}/${partitions}`);
      return [[sequenceHeader, old] as const];
    }),
  );
  const same = await ingest(log, dir, { posts: 5, files: [path] }, { newSpool: true });
  assert.equal(same.status.acknowledged, 0);
  const more = await replay(log, dir, [path], 8);
  assert.equal(more.status.acknowledged, 3);
  const again = await replay(log, dir, [path], 10);
  assert.deepEqual([again.status.acknowledged, again.status.total], [2, 10]);
  assert.equal(new Set(keys(log)).size, 10);
  assert.ok(before.every((key) => keys(log).includes(key)));
});

test("a stream keeps its partitions when the topic grows; the next one uses all", async (t) => {
  const dir = folder(t);
  const log = fakeLog(PARTITIONS);
  const lines = (from: number) =>
    Array.from({ length: 40 }, (_, at) => `${post(from + at)}\n`).join("");
  const first = write(dir, "a.ndjson", lines(1_000));
  await replay(log, dir, [first], 40);
  log.grow(2);
  appendFileSync(first, lines(2_000));
  const grown = await replay(log, dir, [first], 80);
  assert.deepEqual([grown.status.acknowledged, grown.status.total], [40, 80]);
  assert.equal(log.records(PARTITIONS).length + log.records(PARTITIONS + 1).length, 0);
  assert.ok(grown.events.names().includes("ingest.partitions_differ"));
  await replay(log, dir, [write(dir, "b.ndjson", lines(3_000))], 40);
  assert.ok(log.records(PARTITIONS).length > 0);
});

test("whatever bytes a file holds, each line is a record, a notice, a duplicate or a dead letter", async (t) => {
  const dir = folder(t);
  const samples = [
    post(1),
    '{"delete":{"status":{"id":1,"id_str":"1","user_id":1,"user_id_str":"1"},"timestamp_ms":"1"}}',
    '{"data":{"id":"5","text":"x","author_id":"1"}}',
    '{"limit":{"track":5}}',
    `${'{"a":'.repeat(300)}1${"}".repeat(300)}`,
    "[".repeat(100_000),
    `{"n":${"[".repeat(100_000)}`,
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...samples), fc.nat(), fc.integer({ min: 0, max: 255 }))
    .map(([text, at, byte]) => {
      const bytes = Buffer.from(text);
      bytes[at % bytes.length] = byte === 0x0a || byte === 0x0d ? 0x20 : byte;
      return bytes;
    });
  const noise = fc
    .uint8Array({ minLength: 1, maxLength: 60 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0x0a ? 0x21 : byte))));
  const line = fc.oneof(
    fc.constantFrom(...samples).map((text) => Buffer.from(text)),
    mutated,
    noise,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 12 }), async (lines) => {
      const feed = Buffer.from("\n");
      // A first line of its own form: what would be spread over lines is another test.
      const all = [Buffer.from(post(0)), ...lines];
      const path = write(dir, "any", Buffer.concat(all.flatMap((each) => [each, feed])));
      const log = fakeLog(PARTITIONS);
      const { status, error } = await ingest(log, dir, { ...ALL, posts: 30, files: [path] });
      assert.equal(error, undefined);
      const { posts, deletions, duplicates, unreadable, others } = status.read;
      const notices = [...others.values()].reduce((sum, each) => sum + each, 0);
      const filled = all.filter((each) => each.toString("latin1").trim() !== "");
      const read = posts + deletions + duplicates + unreadable + notices - generated(log);
      assert.equal(read, filled.length);
    }),
    { numRuns: 40 },
  );
});
