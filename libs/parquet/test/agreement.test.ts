import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { FlushEncoder, FlushRecord } from "@hybridge/landing";
import { headerNames, postAt } from "@hybridge/tweet";
import {
  mutatedLines,
  someBytes,
  treesOfPosts,
  valuesInPlaceOfOthers,
} from "@hybridge/tweet/testing";
import { flushEncoder } from "../src/index.ts";
import { AT, assertEncoded, EPOCH, openReader, record, type Reader } from "./rows.ts";

// Whatever a record is, the encoder's row is rowOf's, or both make a dead letter of it; and none
// ever fails a whole file. The same values are tried on the scanner alone, faster, in libs/tweet.

const { signal } = new AbortController();
const landedAtMs = EPOCH + 60_000;
let directory: string;
let encoder: FlushEncoder;
let reader: Reader;
let lines: Buffer[];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-agreement-"));
  encoder = await flushEncoder({ stagingDirectory: directory, compression: "zstd" });
  reader = await openReader();
  const fixtures = ["x-v11", "archive", "x-v2", "bluesky"].map((name) =>
    readFile(new URL(`../../tweet/test/fixtures/${name}.ndjson`, import.meta.url), "utf8"),
  );
  const real = (await Promise.all(fixtures)).flatMap((text) => text.trimEnd().split("\n"));
  const generated = Array.from({ length: 60 }, (_, index) => postAt(11, index, EPOCH).json);
  lines = [...real, ...generated].map((line) => Buffer.from(line));
});
after(async () => {
  await reader[Symbol.asyncDispose]();
  await encoder[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

async function assertAgree(records: readonly FlushRecord[]): Promise<void> {
  await using buffer = encoder.open();
  for (let at = 0; at < records.length; at += 333) buffer.append(AT, records.slice(at, at + 333));
  await using encoded = await buffer.encode({ landedAtMs, signal });
  await assertEncoded(encoded, records, landedAtMs, reader);
  assert.equal(encoded.partitions[0]?.rows, buffer.rows);
}

test("all forms, and each of their values in place of others", async () => {
  const values = [...lines, ...valuesInPlaceOfOthers(lines.slice(0, 60))];
  assert.ok(values.length > 5_000);
  await assertAgree(values.map((value, index) => record(index, value)));
});

test("real posts with pieces changed, left out, doubled and torn", async () => {
  const values = fc.sample(mutatedLines(lines), 6_000);
  await assertAgree(values.map((value, index) => record(index, value)));
});

test("arbitrary JSON, and arbitrary bytes", async () => {
  const trees = fc.sample(treesOfPosts(), 1_000).map((value) => JSON.stringify(value));
  const values = [...trees, ...fc.sample(someBytes, 1_000)];
  await assertAgree(values.map((value, index) => record(index, value)));
});

test("texts that no engine likes, in every column of text", async () => {
  const odd = [
    ...["\0", "\u0001", "\ud800", "\udfff\ud800", "\uffff", "\ufeff", "\u2028", "\u{10ffff}"],
    ...["\x7f\x85", "null", "{}", "[]", "2026-01-01", "1e999", "-0", "NaN", "'", '"', "\\", '"a"'],
    ...["\\u0000", "\r\n", "", "é", '"', '""', '"\\', "x".repeat(70_000), '"'.repeat(70_000)],
    ...["\u{1F600}".repeat(20_000), "é".repeat(32_768)],
  ];
  const values: readonly unknown[] = [...odd, Infinity, -0, 2 ** 62, -(2 ** 63), 1.5, null, [], {}];
  const records = values.flatMap((value, index) =>
    odd.slice(0, 27).map((text, place) => {
      const user = { id_str: `u${place}`, name: text, screen_name: value, followers_count: value };
      const entities = { hashtags: [{ text }, { text: value }] };
      const created_at = "Mon Nov 23 08:00:00 +0000 2026";
      const more = { lang: value, retweet_count: place, created_at, user, entities };
      const json = JSON.stringify({ id_str: `${index}`, text: value, ...more, full_text: text });
      const timestampMs = [EPOCH, -1, 0, EPOCH / 1_000, -(2 ** 62)][place % 5] ?? 0;
      return { ...record(index * 27 + place, json), timestampMs };
    }),
  );
  await assertAgree(records);
});

test("keys, headers and timestamps of any kind, deletions and tombstones", async () => {
  const names = fc.oneof(
    fc.constantFrom(...Object.values(headerNames)),
    fc.string({ unit: "binary" }),
  );
  const contents = fc.option(
    fc.oneof(
      someBytes,
      fc.constantFrom(
        ...["delete", "x.v2", "x", "", '"', "é", "\0", "a".repeat(200)].map((each) =>
          Buffer.from(each),
        ),
      ),
    ),
  );
  const records = fc.sample(
    fc.record({
      timestampMs: fc.oneof(fc.constantFrom(-1, 0, EPOCH, -(2 ** 63)), fc.maxSafeInteger()),
      timestampType: fc.constantFrom("create", "append", undefined),
      key: fc.option(someBytes),
      value: fc.option(fc.constantFrom(...lines)),
      headers: fc.array(fc.tuple(names, contents), { maxLength: 5 }),
    }),
    3_000,
  );
  await assertAgree(
    records.map(({ timestampType, ...each }, index) => ({
      ...each,
      ...(timestampType === undefined ? {} : { timestampType }),
      offset: BigInt(index),
    })),
  );
});

test("sizes: the largest posts, none at all, and many in one chunk", async () => {
  const text = String.raw`\u0001\n\"`.repeat(100_000);
  const large = Array.from({ length: 12 }, (_, index) =>
    record(index, `{"id_str":"${index}","text":"${text}"}`),
  );
  const plain = `{"id_str":"1","created_at":"Mon Nov 23 08:00:00 +0000 2026","user":{"id_str":"1"},"text":"`;
  const atLimit = `${plain}${"y".repeat(1_024_000 - plain.length - 2)}"}`;
  const small = Array.from({ length: 5_000 }, (_, index) => record(100 + index, '{"id_str":"1"}'));
  await assertAgree([...large, record(50, atLimit), ...small]);
});

test("what is too large for a row is a dead letter that says so", async () => {
  await using buffer = encoder.open();
  const huge = Buffer.alloc(2_000_000, 0x61);
  buffer.append(AT, [
    record(0, lines[0] ?? ""),
    record(1, huge),
    { ...record(2, lines[0] ?? ""), key: huge },
    { ...record(3, lines[0] ?? ""), headers: [["n", huge]] },
    record(4, lines[0] ?? ""),
  ]);
  await using encoded = await buffer.encode({ landedAtMs, signal });
  assert.equal(encoded.partitions[0]?.rows, 2);
  const letters = encoded.deadLetters.map(({ offset, reason }) => [
    Number(offset),
    reason.slice(0, 9),
  ]);
  assert.deepEqual(letters, [
    [1, "TOO_LARGE"],
    [2, "TOO_LARGE"],
    [3, "TOO_LARGE"],
  ]);
  assert.ok(encoded.deadLetters[0]?.value?.equals(huge));
});
