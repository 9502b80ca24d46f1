import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  columns,
  otherNames,
  partitionOf,
  readPosts,
  rowOf,
  type TweetRecord,
} from "../src/index.ts";
import { allLines } from "./fixtures.ts";
import { landing, recordedAtMs, recordOf } from "./records.ts";

const LONG_MAX = 2n ** 63n - 1n;

/** Whatever a record is: it is a row that keeps the bounds of its columns, or there is a reason. */
function assertRead(record: TweetRecord): boolean {
  const result = rowOf(record, landing);
  if (!result.ok) {
    assert.match(result.code, /^[A-Z0-9_]+$/);
    assert.ok(result.reason !== "" && result.reason.length < 500);
    return false;
  }
  for (const each of columns) {
    const value: unknown = result.row[each.name];
    if (value === null) assert.ok(each.nullable, each.name);
    else assertFits(each, value);
  }
  const exact = record.value?.toString("utf8") ?? null;
  assert.equal(result.row.raw, exact);
  const { dt, hr } = partitionOf(result.row);
  assert.match(`${dt} ${hr}`, /^(19|20)\d\d-\d\d-\d\d [0-2]\d$/);
  return true;
}

function assertFits(column: (typeof columns)[number], value: unknown): void {
  if (column.kind === "text") {
    assert.ok(typeof value === "string" && value.isWellFormed(), column.name);
    if (!("bytesMax" in column)) return;
    assert.ok(Buffer.byteLength(value) <= column.bytesMax, column.name);
    assert.ok(!value.includes("\0"), column.name);
  } else if (column.kind === "long") {
    assert.ok(
      typeof value === "bigint" && value <= LONG_MAX && value >= -LONG_MAX - 1n,
      column.name,
    );
  } else if (column.kind === "binary") assert.ok(Buffer.isBuffer(value), column.name);
  else if (column.kind === "boolean") assert.equal(typeof value, "boolean");
  else assert.ok(Number.isSafeInteger(value), column.name);
}

function assertReadings(bytes: Buffer): void {
  const readings = readPosts(bytes);
  assert.ok(readings.length > 0);
  for (const reading of readings) {
    if (reading.kind === "other") assert.ok(otherNames.includes(reading.name));
    else if (reading.kind !== "unreadable") {
      assert.equal(reading.fields.op, reading.kind === "post" ? "upsert" : "delete");
      assert.ok(reading.id !== "" && reading.id === reading.fields.id);
      // What is published is read as what it was taken for, or is refused for its size.
      const again = rowOf({ ...recordOf(reading.value), key: Buffer.from(reading.id) }, landing);
      if (again.ok) assert.deepEqual([again.row.op, again.row.id], [reading.fields.op, reading.id]);
      else assert.equal(again.code, "NO_ID");
    }
  }
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each));

test("arbitrary bytes as key, value, headers and time", () => {
  const record = fc.record({
    offset: fc.bigInt({ min: 0n, max: LONG_MAX }),
    timestampMs: fc.oneof(
      fc.constantFrom(-1, 0, recordedAtMs, -(2 ** 63), 2 ** 63),
      fc.maxSafeInteger(),
    ),
    key: fc.option(bytes),
    value: fc.option(fc.oneof(bytes, fc.constantFrom(...allLines()))),
    headers: fc.array(
      fc.tuple<[string, Buffer | null]>(
        fc.oneof(
          fc.constantFrom("hybridge-source", "hybridge-schema", "hybridge-op", "traceparent"),
          fc.string({ unit: "binary" }),
        ),
        fc.option(fc.oneof(bytes, fc.constantFrom(Buffer.from("delete"), Buffer.from("x.v2")))),
      ),
    ),
  });
  fc.assert(
    fc.property(record, (each) => void assertRead(each)),
    { numRuns: 1_000 },
  );
});

test("arbitrary JSON, bare and where posts have their parts", () => {
  const json = fc.jsonValue({ stringUnit: "binary" });
  const names = [
    ...["data", "includes", "id", "id_str", "text", "user", "did", "commit", "payload", "tweet"],
    ...["delete", "user_delete", "status", "action", "statuses", "account", "kind", "collection"],
    ...["record", "rkey", "retweeted_status", "entities", "hashtags", "referenced_tweets", "$type"],
    ...["created_at", "timestamp_ms", "time_us", "users", "tweets", "operation", "public_metrics"],
  ];
  const { tree } = fc.letrec((tie) => ({
    leaf: fc.oneof(
      json,
      fc.constantFrom<unknown>(Infinity, -0, "1", "retweeted", "account", 2 ** 60),
    ),
    tree: fc.oneof(
      { maxDepth: 5 },
      tie("leaf"),
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...names), tie("tree"), { maxKeys: 8 }),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const text = Buffer.from(JSON.stringify(value));
      assertReadings(text);
      assertRead(recordOf(text));
    }),
    { numRuns: 2_000 },
  );
});

test("real forms with pieces changed, left out, doubled and torn", () => {
  const pieces = ['"', "\\", "{", "}", "[", "]", ",", ":", "\0", "\ud800", "9".repeat(20), "null"];
  const change = fc.tuple(
    fc.nat(),
    fc.nat({ max: 12 }),
    fc.oneof(
      bytes,
      fc.constantFrom(...pieces).map((piece) => Buffer.from(piece)),
    ),
  );
  const mutated = fc
    .tuple(fc.constantFrom(...allLines()), fc.array(change, { maxLength: 3 }))
    .map(([line, changes]) =>
      changes.reduce<Buffer>((now, [at, length, piece]) => {
        const start = at % (now.length + 1);
        return Buffer.concat([now.subarray(0, start), piece, now.subarray(start + length)]);
      }, line),
    );
  let rows = 0;
  fc.assert(
    fc.property(mutated, (value) => {
      assertReadings(value);
      if (assertRead(recordOf(value))) rows += 1;
    }),
    { numRuns: 3_000 },
  );
  assert.ok(rows > 100, "most changes leave no post: the test shows little then");
});

test("values of posts in place of others, of every type", () => {
  const odd: readonly unknown[] = [
    null,
    true,
    0,
    -1,
    1.5,
    "",
    "\ud800",
    [],
    {},
    [[]],
    "9".repeat(99),
  ];
  for (const line of allLines()) {
    const root = JSON.parse(line.toString()) as object;
    for (const path of pathsOf(root)) {
      for (const value of odd) {
        const changed = Buffer.from(JSON.stringify(replaced(root, path, value)));
        assertReadings(changed);
        assertRead(recordOf(changed));
      }
    }
  }
});

function pathsOf(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [[]];
  const inner = Object.entries(value).flatMap(([key, each]) =>
    pathsOf(each).map((path) => [key, ...path]),
  );
  return [[], ...inner];
}

function replaced(root: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const copy = (Array.isArray(root) ? [...(root as unknown[])] : { ...(root as object) }) as Record<
    string,
    unknown
  >;
  copy[key] = replaced(copy[key], rest, value);
  return copy;
}

// A time limit of each test, far above what it takes, is what bounds the work here: quadratic
// reading would take minutes.
const patience = { timeout: 60_000 };

test("depth 100,000, wherever it stands", patience, () => {
  const depth = 100_000;
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
    ['[{"data":', "}]"],
  ] as const) {
    const deep = `${open.repeat(depth)}1234567890123456${close.repeat(depth)}`;
    for (const text of [
      deep,
      open.repeat(depth),
      close.repeat(depth),
      `{"n":1234567890123456789,"b":${deep}}`,
      `{"id":1234567890123456789,"b":${deep}}`,
      `{"data":[{"id":"1","b":${deep}}]}`,
      `{"did":"did:plc:a","commit":{"rkey":"r","record":${deep}}}`,
    ]) {
      const result = rowOf(recordOf(text), landing);
      const code = text.startsWith(close) ? "NOT_JSON" : "TOO_DEEP";
      assert.equal(result.ok ? "" : result.code, code, text.slice(0, 40));
      assertReadings(Buffer.from(text));
    }
  }
});

test("wide, long and repeated values take time in proportion to their size", patience, () => {
  const count = 50_000;
  const many = (piece: string) => Array.from({ length: count }, () => piece).join(",");
  const digits = "1".repeat(1_000_000);
  for (const text of [
    `[${many("1")}]`,
    `[${many("{}")}]`,
    `{"id":9007199254740993,"x":[${many("9007199254740993")}]}`,
    `{"id":${digits}}`,
    `{"id":1,"id":${digits},"favorite_count":9007199254740993}`,
    `{"id_str":"1","text":"${"\\u0000".repeat(count)}"}`,
    `{"id_str":"1","text":"${'\\"'.repeat(count)}"`,
    `{"id_str":"1","entities":{"hashtags":[${many('{"text":"t"}')}]}}`,
    `{"id_str":"1","created_at":"${"0".repeat(1_000_000)}"}`,
    `{"data":{"id":"1","referenced_tweets":[${many('{"type":"x"}')}]},"includes":{"users":[${many('{"id":"u"}')}]}}`,
    `{"data":[{"id":"1","x":[${many('"u"')}]}],"includes":{"users":[${many('{"id":"u"}')}]}}`,
    `{"data":[${many('{"a":"u"}')}],"includes":{"users":[${many('{"id":"u"}')}]}}`,
    " ".repeat(1_000_000),
    `{${many('"id_str":"1"')}}`,
    `"${"\\".repeat(1_000_000)}`,
  ]) {
    const value = Buffer.from(text);
    assertReadings(value);
    assertRead(recordOf(value));
  }
});

test("a page whose posts would fill the memory is refused whole", () => {
  const users = Array.from({ length: 1_000 }, () => '{"id":"u"}').join(",");
  const posts = Array.from({ length: 1_000 }, () => '{"id":"1","author_id":"u"}').join(",");
  const page = Buffer.from(`{"data":[${posts}],"includes":{"users":[${users}]}}`);
  for (const text of [page, Buffer.concat([Buffer.from("["), page, Buffer.from("]")])]) {
    const [reading, ...others] = readPosts(text);
    assert.ok(reading?.kind === "unreadable" && others.length === 0);
    assert.equal(reading.code, "TOO_LARGE");
  }
});
