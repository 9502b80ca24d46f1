import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { postSlices } from "../src/replay/json-document.ts";

function posts(text: string): string[] {
  const bytes = Buffer.from(text);
  return postSlices(bytes).map(({ start, end }) => bytes.toString("utf8", start, end));
}

test("posts keep their bytes, spaces inside and all", () => {
  assert.deepEqual(posts('[ {"id": 1 }\n,\t{"id":2,"t":"]},{\\"[😀"} ]'), [
    '{"id": 1 }',
    '{"id":2,"t":"]},{\\"[😀"}',
  ]);
});

test("the list of statuses is found behind other members", () => {
  assert.deepEqual(
    posts('{"search_metadata":{"statuses":[9]},"n":[1,[2]],"statuses" : [{"a":1},{"b":[]}],"z":1}'),
    ['{"a":1}', '{"b":[]}'],
  );
});

test("any other object is one post, and nothing is none", () => {
  assert.deepEqual(posts(' {"id":"1"} \n'), ['{"id":"1"}']);
  assert.deepEqual(posts('{"statuses":{}}'), ['{"statuses":{}}']);
  assert.deepEqual(posts("[]"), []);
  assert.deepEqual(posts(" \n"), []);
  assert.deepEqual(posts("nonsense"), ["nonsense"]);
});

test("a broken document ends, with the broken part as its last post", () => {
  assert.deepEqual(posts('[{"a":1},{"b":'), ['{"a":1}', '{"b":']);
  assert.deepEqual(posts('[{"a":1} {"b":2}]'), ['{"a":1} {"b":2}']);
  assert.deepEqual(posts('[{"a":"x'), ['{"a":"x']);
  assert.deepEqual(posts('{"statuses":[1,}'), ["1", "}"]);
});

test("the slices of a list are its elements, however it is written", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom("", " ", "\n  "), (list, space) => {
      const text = `${space}[${space}${list.map((each) => JSON.stringify(each, null, space)).join(`${space},${space}`)}${space}]${space}`;
      assert.deepEqual(
        posts(text).map((each) => JSON.parse(each) as unknown),
        JSON.parse(JSON.stringify(list)),
      );
    }),
  );
});

test("whatever the bytes are, it ends and slices do not overlap", () => {
  const noise = fc.array(fc.constantFrom("{", "}", "[", "]", '"', "\\", ",", ":", " ", "a", "1"));
  fc.assert(
    fc.property(noise, (parts) => {
      const bytes = Buffer.from(parts.join(""));
      let last = 0;
      for (const { start, end } of postSlices(bytes)) {
        assert.ok(start >= last && end >= start && end <= bytes.length);
        last = end;
      }
    }),
    { numRuns: 2_000 },
  );
});
