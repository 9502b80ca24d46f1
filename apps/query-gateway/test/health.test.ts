import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError, type HybridgeEvent } from "@hybridge/core";
import { engineHealth } from "../src/health.ts";
import { fakeEngine, rowsOf } from "./fake-engine.ts";

test("each change of an engine is told once, and looking finds it without queries", async () => {
  const controller = new AbortController();
  const events: HybridgeEvent[] = [];
  let looks = 0;
  // Away for three looks, then there.
  const { target } = fakeEngine("hive", () => {
    looks += 1;
    if (looks <= 3) return Promise.reject(new UnavailableError("refused"));
    if (looks === 5) controller.abort();
    return Promise.resolve(rowsOf([[1n]]));
  });
  let nowMs = 1_000_000;
  const clock = {
    now: () => nowMs,
    sleep: (ms: number) => {
      nowMs += ms;
      return Promise.resolve();
    },
  };
  const health = engineHealth([target], (event) => events.push(event), clock);
  assert.equal(health.states()[0]?.reachable, false);
  await health.watch(controller.signal);
  assert.deepEqual(
    events.map(({ name, level }) => [name, level]),
    [
      ["engine.unreachable", "warn"],
      ["engine.reachable", "info"],
    ],
  );
  assert.deepEqual(health.states(), [{ engine: "hive", reachable: true, reason: "" }]);
  assert.deepEqual(health.counts(), { queries: 0, failed: 0 });
});

test("nobody asks Redshift in a day without callers; a call tells how it is", async () => {
  const controller = new AbortController();
  const { target, seen } = fakeEngine("redshift", () => Promise.resolve(rowsOf([[1n]])));
  const hive = fakeEngine("hive", () => Promise.resolve(rowsOf([[1n]])));
  let nowMs = 0;
  const clock = {
    now: () => nowMs,
    sleep: (ms: number) => {
      nowMs += ms;
      if (nowMs >= 24 * 3_600_000) controller.abort();
      return Promise.resolve();
    },
  };
  const health = engineHealth([target, hive.target], () => undefined, clock);
  await health.watch(controller.signal);
  assert.deepEqual(seen, []);
  assert.ok(hive.seen.length > 0);
  const redshift = () => health.states().find(({ engine }) => engine === "redshift");
  assert.deepEqual(redshift(), { engine: "redshift", reachable: true, reason: "not asked yet" });
  health.failed("redshift", new UnavailableError("refused"));
  assert.deepEqual(redshift(), { engine: "redshift", reachable: false, reason: "refused" });
  health.succeeded("redshift");
  assert.deepEqual(redshift(), { engine: "redshift", reachable: true, reason: "" });
});
