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
