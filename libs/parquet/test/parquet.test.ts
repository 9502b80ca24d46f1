import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { SegmentSchemaError, type Cut, type LandingRecord } from "@hybridge/landing";
import { columns, headerNames, postAt } from "@hybridge/tweet";
import { countParquetRows, parquetEncoder, type ParquetEncoder } from "../src/index.ts";

const signal = new AbortController().signal;
const EPOCH = Date.UTC(2026, 10, 23, 9);
let directory: string;
let encoder: ParquetEncoder;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-parquet-"));
  encoder = await parquetEncoder({ stagingDirectory: directory, compression: "zstd" });
});
after(async () => {
  await encoder[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function cutOf(count: number, over: Partial<Cut> = {}): Cut {
  const last = BigInt(count - 1);
  return { topic: "t", partition: 3, first: 0n, last, decidedAtMs: EPOCH, schema: "v3", ...over };
}

function record(offset: number, value: Buffer | string | null): LandingRecord {
  return {
    offset: BigInt(offset),
    timestampMs: EPOCH + 1_234,
    key: Buffer.from(String(offset)),
    value: value === null ? null : Buffer.from(value),
    headers: [
      [headerNames.source, Buffer.from("replay")],
      [
        headerNames.traceparent,
        Buffer.from("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"),
      ],
    ],
  };
}

function posts(count: number): LandingRecord[] {
  return Array.from({ length: count }, (_, index) => record(index, postAt(7, index, EPOCH).json));
}

async function read(path: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(`SELECT * FROM read_parquet('${path}')`);
  assert.deepEqual(
    reader.columnNames(),
    columns.map(({ name }) => name),
  );
  return reader.getRowObjects();
}

test("rows hold the exact bytes, coordinates and typed columns", async () => {
  const records = posts(500);
  await using segment = await encoder.encode(cutOf(500), records, signal);
  assert.deepEqual(segment.deadLetters, []);
  let rows = 0;
  for (const file of segment.files) {
    assert.equal(file.name, `dt=${file.dt}/hr=${file.hr}/t-3-0-499-v3.parquet`);
    assert.equal(await countParquetRows(file.localPath), BigInt(file.rows));
    const bytes = await readFile(file.localPath);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), file.sha256);
    for (const row of await read(file.localPath)) {
      const original = records[Number(row["kafka_offset"])]?.value;
      assert.ok(original && Buffer.from(String(row["raw"])).equals(original));
      assert.equal(row["raw_md5"], createHash("md5").update(original).digest("hex"));
      assert.equal(typeof row["kafka_offset"], "bigint");
      assert.equal(String(row["kafka_timestamp"]), "2026-11-23 09:00:01.234");
      assert.equal(String(row["event_time"]).slice(0, 13), `${file.dt} ${file.hr}`);
      assert.match(String(row["traceparent"]), /^00-0123/);
      rows += 1;
    }
  }
  assert.equal(rows, 500);
});

test("the same cut and records give the same bytes, from another encoder too", async () => {
  const records = posts(3_000);
  const digests: string[][] = [];
  for (let run = 0; run < 3; run++) {
    const stagingDirectory = join(directory, `run${run}`);
    await using other = await parquetEncoder({ stagingDirectory, compression: "zstd" });
    await using segment = await other.encode(cutOf(3_000), records, signal);
    digests.push(segment.files.map((file) => file.sha256));
  }
  assert.ok((digests[0]?.length ?? 0) > 0);
  assert.deepEqual(digests[1], digests[0]);
  assert.deepEqual(digests[2], digests[0]);
});

test("what cannot be a row becomes a dead letter with its coordinates", async () => {
  const good = postAt(7, 0, EPOCH).json;
  const huge = JSON.stringify({ id_str: "1", text: "x".repeat(2_000_000) });
  const records = [
    record(0, good),
    record(1, "{ not JSON"),
    record(2, Buffer.from([0xff, 0xfe, 0x7b])),
    record(3, huge),
    record(4, ""),
    record(5, "[]"),
    record(6, '{"text":"no id"}'),
  ];
  await using segment = await encoder.encode(cutOf(7), records, signal);
  assert.equal(segment.files.length, 1);
  assert.equal(segment.files[0]?.rows, 1);
  const offsets = segment.deadLetters.map((letter) => Number(letter.offset));
  assert.deepEqual(offsets, [1, 2, 3, 4, 5, 6]);
  assert.match(segment.deadLetters[2]?.reason ?? "", /^TOO_LARGE: 20000\d\d bytes/);
  assert.ok(segment.deadLetters[1]?.value?.equals(Buffer.from([0xff, 0xfe, 0x7b])));
});

test("whatever rows records become, DuckDB takes them all and gives their bytes back", async () => {
  const odd = [
    ...[
      "\0",
      "\u0001",
      "\ud800",
      "\udfff\ud800",
      "\uffff",
      "\ufeff",
      "\u2028",
      "\u{10ffff}",
      "\x7f\x85",
    ],
    ...[
      "null",
      "{}",
      "[]",
      "2026-01-01",
      "1e999",
      "-0",
      "NaN",
      "'",
      '"',
      "\\",
      "\\u0000",
      "\r\n",
      "",
      "é",
    ],
  ];
  const values: readonly unknown[] = [...odd, Infinity, -0, 2 ** 62, -(2 ** 63), 1.5, null, [], {}];
  const records = values.flatMap((value, index) =>
    odd.map((text, place) => {
      const user = { id_str: text, name: text, screen_name: value, followers_count: value };
      const entities = { hashtags: [{ text }, { text: value }] };
      const more = { lang: value, retweet_count: value, created_at: value, user, entities };
      const json = JSON.stringify({ id_str: `${index}`, text, ...more });
      const headers = [[headerNames.source, Buffer.from(text)] as const];
      const timestampMs = [EPOCH, -1, 0, EPOCH / 1_000, 2 ** 62][place % 5] ?? 0;
      return { ...record(index * odd.length + place, json), headers, timestampMs };
    }),
  );
  await using segment = await encoder.encode(cutOf(records.length), records, signal);
  assert.deepEqual(segment.deadLetters, []);
  const raws: unknown[] = [];
  for (const { localPath } of segment.files) {
    for (const row of await read(localPath)) raws.push(row["raw"]);
  }
  assert.deepEqual(raws.sort(), records.map(({ value }) => value?.toString()).sort());
});

test("a tombstone is a row: the deletion of the post that its key names", async () => {
  const tombstone = { ...record(0, null), key: Buffer.from("9001") };
  const nobody = { ...record(1, null), key: null };
  await using segment = await encoder.encode(cutOf(2), [tombstone, nobody], signal);
  const [row, ...others] = await read(segment.files[0]?.localPath ?? "");
  assert.deepEqual(others, []);
  assert.deepEqual([row?.["op"], row?.["id"], row?.["raw"]], ["delete", "9001", null]);
  assert.equal(row?.["raw_md5"], createHash("md5").digest("hex"));
  assert.match(segment.deadLetters[0]?.reason ?? "", /^EMPTY: .*no key/);
});

test("a segment of dead letters alone has no files", async () => {
  await using segment = await encoder.encode(cutOf(1), [record(0, "x")], signal);
  assert.deepEqual(segment.files, []);
  assert.equal(segment.deadLetters.length, 1);
});

test("a post at the limit is a row", async () => {
  const head = '{"id_str":"1","text":"';
  const raw = `${head}${"\\n".repeat((1_024_000 - head.length - 2) / 2)}"}`;
  await using segment = await encoder.encode(cutOf(1), [record(0, raw)], signal);
  const [file] = segment.files;
  const [row] = await read(file?.localPath ?? "");
  assert.equal(row?.["raw"], raw);
});

test("a segment of the largest posts fits into the encoder's memory", async () => {
  const text = String.raw`\u0001\n\"`.repeat(100_000);
  const records = Array.from({ length: 17 }, (_, index) =>
    record(index, `{"id_str":"${index}","text":"${text}"}`),
  );
  await using segment = await encoder.encode(cutOf(17), records, signal);
  assert.deepEqual(segment.deadLetters, []);
  assert.equal(segment.files[0]?.rows, 17);
});

test("staged files are gone after disposal, and after an abort", async () => {
  const staged = join(directory, "t-3");
  {
    await using segment = await encoder.encode(cutOf(10), posts(10), signal);
    assert.equal((await readdir(staged)).length, segment.files.length);
  }
  await assert.rejects(readdir(staged), { code: "ENOENT" });
  const stop = new AbortController();
  const aborted = encoder.encode(cutOf(3_000), posts(3_000), stop.signal);
  stop.abort();
  await assert.rejects(aborted, { name: "AbortError" });
  await assert.rejects(readdir(staged), { code: "ENOENT" });
});

test("a cut of another schema is refused by name", async () => {
  const cut = cutOf(1, { schema: "v0" });
  await assert.rejects(encoder.encode(cut, posts(1), signal), SegmentSchemaError);
});
