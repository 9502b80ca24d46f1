import assert from "node:assert/strict";
import { test } from "node:test";
import { SourceGapError } from "../src/errors.ts";
import { PartitionBuffer } from "../src/partition-buffer.ts";
import { textRecord } from "../src/testing/index.ts";

const limits = {
  recordsMax: 10,
  bytesMax: 1_000_000,
  ageMaxMs: 1_000,
  streamMaxMs: 0,
  bufferBytesMax: 1_000_000,
  registerIntervalMs: 1,
};
const id = { topic: "t", partition: 0 };

function batch(offsets: readonly number[], nextOffset?: number, timestampMs = 0) {
  const records = offsets.map((offset) => textRecord(BigInt(offset), `v${offset}`, timestampMs));
  const next = BigInt(nextOffset ?? (offsets.at(-1) ?? -1) + 1);
  return { ...id, records, nextOffset: next, endOffset: next };
}

test("a cut by age covers the control records at its end", () => {
  const buffer = new PartitionBuffer(id, limits, 4n, undefined);
  buffer.append(batch([5, 6], 9), 100);
  assert.equal(buffer.isDue(1_099), false);
  assert.equal(buffer.isDue(1_100), true);
  const { taken } = buffer.take(1_100);
  assert.deepEqual([taken.first, taken.last, taken.records.length], [4n, 8n, 2]);
  assert.equal(buffer.first, 9n);
  assert.equal(buffer.isDue(99_999), false);
});

test("a cut by count leaves the rest, which begins where it ended", () => {
  const buffer = new PartitionBuffer(id, limits, undefined, undefined);
  buffer.append(batch(Array.from({ length: 13 }, (_, index) => index + 3)), 0);
  assert.equal(buffer.isDue(0), true);
  const { taken } = buffer.take(0);
  assert.deepEqual([taken.first, taken.last], [3n, 12n]);
  assert.equal(buffer.isDue(0), false);
  assert.deepEqual([buffer.first, buffer.count], [13n, 3]);
});

test("a cut by bytes takes no more than passes the limit", () => {
  const buffer = new PartitionBuffer(id, { ...limits, bytesMax: 500 }, 0n, undefined);
  buffer.append(batch([0, 1, 2, 3, 4, 5]), 0);
  const { taken } = buffer.take(0);
  assert.equal(taken.records.length, 3);
});

test("a cut by stream time ends before the record that is too far away", () => {
  const buffer = new PartitionBuffer(id, { ...limits, streamMaxMs: 60_000 }, 0n, undefined);
  buffer.append(batch([0, 1], 2, 0), 0);
  assert.equal(buffer.isDue(0), false);
  buffer.append(batch([2], 3, 60_001), 0);
  assert.equal(buffer.isDue(0), true);
  assert.equal(buffer.take(0).taken.last, 1n);
});

test("an open cut is repeated exactly, whatever the limits say", () => {
  const repeat = { ...id, first: 2n, last: 20n, decidedAtMs: 1, schema: "s" };
  const buffer = new PartitionBuffer(id, limits, 2n, repeat);
  buffer.append(batch(Array.from({ length: 15 }, (_, index) => index + 2)), 0);
  assert.equal(buffer.isDue(9_999_999), false);
  assert.equal(buffer.isCuttable, false);
  buffer.append(batch([17, 18, 25], 26), 0);
  const { taken, repeated } = buffer.take(0);
  assert.equal(repeated, repeat);
  assert.deepEqual([taken.first, taken.last, taken.records.length], [2n, 20n, 17]);
  assert.equal(buffer.first, 21n);
});

test("offsets that go back are refused", () => {
  const buffer = new PartitionBuffer(id, limits, 10n, undefined);
  assert.throws(() => buffer.append(batch([9]), 0), SourceGapError);
});
