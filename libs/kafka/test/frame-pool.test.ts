import assert from "node:assert/strict";
import { test } from "node:test";
import { Frame, FramePool } from "../src/wire/frame-pool.ts";

const MIB = 1 << 20;

test("memory that was given back serves every answer of about its size", () => {
  const pool = new FramePool(16 * MIB);
  const first = pool.take(4 * MIB + 120);
  assert.equal(first.length, 4 * MIB + 120);
  pool.give(first);
  const second = pool.take(2 * MIB);
  assert.equal(second.buffer, first.buffer);
  assert.equal(second.length, 2 * MIB);
  assert.notEqual(pool.take(2 * MIB).buffer, first.buffer);
});

test("an answer that was asked for with a power of two does not take twice its size", () => {
  for (const asked of [1 * MIB, 4 * MIB]) {
    const frame = new Frame(new FramePool(0).take(asked + 200));
    assert.ok(frame.memoryBytes < asked * 1.1, `${frame.memoryBytes} for ${asked}`);
  }
});

test("small answers and huge ones are not kept, and free memory is bounded", () => {
  const pool = new FramePool(5 * MIB);
  const small = pool.take(1000);
  pool.give(small);
  assert.notEqual(pool.take(1000).buffer, small.buffer);
  const [one, two] = [pool.take(4 * MIB), pool.take(4 * MIB)];
  pool.give(one);
  pool.give(two);
  assert.equal(pool.take(4 * MIB).buffer, one.buffer);
  assert.notEqual(pool.take(4 * MIB).buffer, two.buffer);
});

test("when other sizes are wanted, free memory of the old ones goes", () => {
  const pool = new FramePool(8 * MIB);
  const old = [pool.take(MIB), pool.take(MIB), pool.take(MIB)];
  for (const buffer of old) pool.give(buffer);
  pool.take(4 * MIB);
  assert.notEqual(pool.take(MIB).buffer, old[0]?.buffer);
});
