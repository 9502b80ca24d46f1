import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "@hybridge/core";
import { FakeClock } from "@hybridge/core/testing";
import { createFollower, openLandingLog } from "../../src/index.ts";
import { memoryFollowingCatalog, memoryLanding } from "../../src/testing/index.ts";

test("a catalog that is away is asked ever less often, however much is committed meanwhile", async () => {
  const clock = new FakeClock(0);
  const store = memoryLanding().open();
  const emit = () => undefined;
  const stop = new AbortController();
  const log = await openLandingLog({ store, table: "t", writer: "test", emit, clock }, stop.signal);
  const catalog = memoryFollowingCatalog();
  let asked = 0;
  catalog.prepare = () => {
    asked += 1;
    return Promise.reject(new UnavailableError("away"));
  };
  const follower = createFollower({ log, store, catalog, emit, clock, intervalMs: 1_000 });
  const running = follower.run(stop.signal);
  for (let passedMs = 0; passedMs < 60_000; passedMs += 100) {
    follower.wake();
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    clock.advance(100);
  }
  assert.ok(asked > 3 && asked < 30, `asked ${asked} times in a minute`);
  stop.abort();
  await running;
});
