import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatOrdinal,
  formatSequence,
  isAfter,
  parseOrdinal,
  parseSequence,
} from "../src/publisher/sequence.ts";

test("the header is read as it is written", () => {
  const sequence = {
    stream: "file-ab.1",
    item: 1_764_064_800_000_000,
    index: 3,
    partitions: 6,
    mark: 0xfffffffe,
  };
  assert.deepEqual(parseSequence(formatSequence(sequence)), sequence);
  const other = { ...sequence, mark: 0 };
  assert.deepEqual(parseSequence(formatSequence(other)), other);
});

test("the header of the version before is read too", () => {
  assert.deepEqual(parseSequence("replay-ab/12/6"), {
    stream: "replay-ab",
    item: 12,
    index: 0,
    partitions: 6,
    mark: undefined,
  });
});

test("an ordinal is read where the spool is the same", () => {
  const header = formatOrdinal("0123456789ab", 12);
  assert.equal(parseOrdinal(header, "0123456789ab"), 12);
  assert.equal(parseOrdinal(header, "ba9876543210"), undefined);
  assert.equal(parseOrdinal("spool-0123456789ab/x", "0123456789ab"), undefined);
  assert.equal(parseSequence(header), undefined);
});

test("nothing else is read", () => {
  const good = "a.1/7.0/6/ff/0123456789ab";
  assert.ok(parseSequence(good));
  const broken = ["", "a", "a/1", "a/1/", "a/-1/6", "/1/6", "a/1.5/6", "a/1/0", `${good}/1`];
  for (const text of [...broken, good.slice(3), good.replace("/6/", "/0/")]) {
    assert.equal(parseSequence(text), undefined, text);
  }
  assert.equal(parseSequence("a/9999999999999999/6"), undefined, "not exact as a number");
});

test("places are ordered by item, then by what stands in it", () => {
  assert.ok(isAfter({ item: 2, index: 0 }, { item: 1, index: 9 }));
  assert.ok(isAfter({ item: 1, index: 2 }, { item: 1, index: 1 }));
  assert.ok(!isAfter({ item: 1, index: 1 }, { item: 1, index: 1 }));
});
