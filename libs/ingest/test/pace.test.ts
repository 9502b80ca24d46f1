import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@hybridge/core/testing";
import { startPace } from "../src/feeds/pace.ts";

const { signal } = new AbortController();

test("no rate lets everything pass", async () => {
  assert.equal(await startPace(0, new FakeClock())(250, signal), 250);
});

test("a rate lets pass what time has made due, and waits when nothing is", async () => {
  const clock = new FakeClock();
  const pace = startPace(100, clock);
  assert.equal(await pace(250, signal), 1);
  clock.advance(100);
  assert.equal(await pace(250, signal), 10);
  const next = pace(250, signal);
  clock.advance(9);
  clock.advance(1);
  assert.equal(await next, 1);
});

test("a long pause is not made up for", async () => {
  const clock = new FakeClock();
  const pace = startPace(10, clock);
  await pace(1, signal);
  clock.advance(3_600_000);
  assert.equal(await pace(1_000, signal), 1);
});
