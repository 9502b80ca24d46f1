import assert from "node:assert/strict";
import { test } from "node:test";
import { MalformedError } from "../src/errors.ts";
import { decodePosition, encodePause, encodePosition } from "../src/positions.ts";

const entry = {
  sourceTopic: "hybrid.v1",
  sourceTopicId: "a".repeat(32),
  targetTopic: "copy.hybrid.v1",
  targetTopicId: "b".repeat(32),
  partition: 3,
  sourceOffset: 12n,
  targetOffset: 2n ** 53n + 1n,
  count: 7n,
  writerEpoch: 6,
  epoch: 4,
  isDeadLetter: false,
};

test("a position comes back as it was written", () => {
  for (const isDeadLetter of [false, true]) {
    const { key, value } = encodePosition({ ...entry, isDeadLetter });
    assert.deepEqual(decodePosition(key, value), { ...entry, isDeadLetter });
  }
});

test("what is no position is refused by name", () => {
  const { key } = encodePosition(entry);
  assert.throws(() => decodePosition(key, Buffer.from("{")), MalformedError);
  assert.throws(() => decodePosition(Buffer.from("a/0/x"), Buffer.from("{}")), /"a\/0\/x"/);
});

test("a pause has a key that is no offset, and a resume is its tombstone", () => {
  const at = { sourceTopic: "hybrid.v1", partition: 3 };
  const paused = encodePause(at, Date.UTC(2026, 0, 2));
  assert.equal(paused.key.toString(), "hybrid.v1/3/paused");
  assert.deepEqual(JSON.parse(String(paused.value)), { since: "2026-01-02T00:00:00.000Z" });
  assert.deepEqual(encodePause(at, undefined), { key: paused.key, value: null });
});
