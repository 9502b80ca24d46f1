import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ValueSlicer } from "../src/feeds/files/json-values.ts";
import type { Item } from "../src/feeds/files/items.ts";

function items(bytes: Buffer, size = bytes.length, keptMax = 1_000_000): Item[] {
  const slicer = new ValueSlicer(keptMax, 0);
  const all: Item[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    all.push(...slicer.push(bytes.subarray(at, at + size)));
  }
  return [...all, ...slicer.end()];
}

function values(text: string): string[] {
  return items(Buffer.from(text)).map(({ bytes }) => bytes.toString("utf8"));
}

test("values keep their bytes, spaces inside and all", () => {
  assert.deepEqual(values('[ {"id": 1 }\n,\t{"id":2,"t":"]},{\\"[😀"} ]'), [
    '{"id": 1 }',
    '{"id":2,"t":"]},{\\"[😀"}',
  ]);
});

test("the list of statuses is found behind other members", () => {
  assert.deepEqual(
    values(
      '{"search_metadata":{"statuses":[9]},"n":[1,[2]],"statuses" : [{"a":1},{"b":[]}],"z":[1]}',
    ),
    ['{"a":1}', '{"b":[]}'],
  );
});

test("any other object is one value, several may follow each other, and nothing is none", () => {
  assert.deepEqual(values(' {"id":"1"} \n'), ['{"id":"1"}']);
  assert.deepEqual(values('{\n"id":"1"}{"data":[{}]}\n[1,2]'), [
    '{\n"id":"1"}',
    '{"data":[{}]}',
    "1",
    "2",
  ]);
  assert.deepEqual(values('{"statuses":{}}'), ['{"statuses":{}}']);
  assert.deepEqual(values("[]"), []);
  assert.deepEqual(values(" \n"), []);
});

test("a broken document ends, with the broken part as its last value", () => {
  assert.deepEqual(values('[{"a":1},{"b":'), ['{"a":1}', '{"b":']);
  assert.deepEqual(values('[{"a":1} {"b":2}]'), ['{"a":1}', '{"b":2}']);
  assert.deepEqual(values('[{"a":"x'), ['{"a":"x']);
});

test("one bad value takes none of the others along that begin their lines as it does", () => {
  assert.deepEqual(values('[\n  {"a":1},\n  {"b":,\n    {"c":3}},\n  {"d":"x\n  {"e":5}\n]'), [
    '{"a":1}',
    '{"b":,\n    {"c":3}},\n  ',
    '{"d":"x\n  ',
    '{"e":5}',
  ]);
  assert.deepEqual(values('{\n"a":1\n}\n{\n"b":x:\n}\n{\n"c":1\n}\n').at(-1), '{\n"c":1\n}');
});

test("values are the same however they are written and cut into chunks", () => {
  const list = fc.array(fc.jsonValue());
  const space = fc.constantFrom("", " ", "\n  ");
  fc.assert(
    fc.property(list, space, fc.integer({ min: 1, max: 40 }), (each, gap, size) => {
      const text = `${gap}[${gap}${each.map((one) => JSON.stringify(one, null, gap)).join(`${gap},${gap}`)}${gap}]${gap}`;
      const bytes = Buffer.from(text);
      const found = items(bytes, size);
      assert.deepEqual(
        found.map((one) => JSON.parse(one.bytes.toString("utf8")) as unknown),
        JSON.parse(JSON.stringify(each)),
      );
      for (const { byteOffset, length, bytes: own } of found) {
        assert.deepEqual(bytes.subarray(byteOffset, byteOffset + length), own);
      }
    }),
  );
});

test("whatever the bytes are, it ends, chunks do not matter, and values do not overlap", () => {
  const noise = fc.array(
    fc.constantFrom("{", "}", "[", "]", '"', "\\", ",", ":", " ", "\n", "a", "1", '"statuses":['),
  );
  fc.assert(
    fc.property(noise, fc.integer({ min: 1, max: 7 }), (parts, size) => {
      const bytes = Buffer.from(parts.join(""));
      const whole = items(bytes);
      assert.deepEqual(items(bytes, size), whole);
      let last = 0;
      for (const { byteOffset, length } of whole) {
        assert.ok(byteOffset >= last && byteOffset + length <= bytes.length);
        last = byteOffset + length;
      }
    }),
    { numRuns: 2_000 },
  );
});

test("of a value that is too large only the beginning is held", () => {
  const bytes = Buffer.from(`[{"a":"${"x".repeat(10_000)}"},{"b":1}]`);
  const found = items(bytes, 100, 1_000);
  assert.deepEqual(
    found.map(({ bytes: own, length }) => [own.length, length]),
    [
      [1_000, 10_008],
      [7, 7],
    ],
  );
  assert.match(found[0]?.sha256 ?? "", /^[0-9a-f]{64}$/);
});

test("a hundred thousand open brackets are one value that is none", () => {
  const [deep, ...others] = values("[".repeat(100_000));
  assert.ok((deep?.length ?? 0) > 90_000);
  assert.equal(others.length, 0);
});
