import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.ts";
import { FakeClock } from "../src/testing/index.ts";

test("each failure in a row waits longer, up to a bound; success or a calm time begins anew", () => {
  const clock = new FakeClock();
  const backoff = new Backoff({ maxMs: 5_000, calmMs: 30_000, clock, random: () => 1 });
  const waits = Array.from({ length: 8 }, () => backoff.failed());
  assert.deepEqual(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  assert.equal(backoff.failures, 8);
  backoff.reset();
  assert.equal(backoff.failed(), 100);
  clock.advance(30_001);
  assert.equal(backoff.failed(), 100);
  assert.equal(backoff.failures, 1);
});

test("up to half of a wait is taken off at random", () => {
  assert.equal(new Backoff({ random: () => 0 }).failed(), 50);
});
