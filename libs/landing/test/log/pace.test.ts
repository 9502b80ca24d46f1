import assert from "node:assert/strict";
import { test } from "node:test";
import { createPace } from "../../src/log/pace.ts";
import { TrafficMeter } from "../../src/log/traffic.ts";

const alone = { commitsPerHour: 0, writers: 1 };

test("flushes have jitter around the setting", () => {
  const draws = [0, 0.5, 1];
  const pace = createPace({ intervalMs: 1_000, random: () => draws.shift() ?? 0 });
  assert.deepEqual(
    [pace.nextMs(alone), pace.nextMs(alone), pace.nextMs(alone)],
    [900, 1_000, 1_100],
  );
});

test("who loses half of the attempts doubles, and returns step by step", () => {
  const pace = createPace({ intervalMs: 1_000, random: () => 0.5 });
  for (let index = 0; index < 4; index++) pace.committed(2, true);
  assert.equal(pace.intervalMs, 2_000);
  for (let index = 0; index < 8; index++) pace.committed(1, false);
  assert.equal(pace.intervalMs, 4_000);
  for (let index = 0; index < 8; index++) pace.committed(1, true);
  assert.equal(pace.intervalMs, 3_200);
  for (let index = 0; index < 80; index++) pace.committed(1, true);
  assert.equal(pace.intervalMs, 1_000);
  for (let index = 0; index < 800; index++) pace.committed(1, false);
  assert.equal(pace.intervalMs, 32_000);
});

test("all writers together stay below the budget", () => {
  const pace = createPace({ intervalMs: 5_000, random: () => 0.5 });
  const perHour = (writers: number) =>
    (writers * 3_600_000) / pace.nextMs({ commitsPerHour: 0, writers });
  assert.equal(perHour(10), 7_200);
  assert.equal(Math.round(perHour(20)), 8_550);
  assert.equal(Math.round(perHour(500)), 8_550);
});

test("the tail tells how many writers of one's own rate there are", () => {
  const meter = new TrafficMeter();
  assert.deepEqual(meter.traffic(0), alone);
  for (let at = 0; at < 60_000; at += 1_000)
    meter.saw(at, `w${(at / 1_000) % 4}`, at % 4_000 === 0);
  assert.deepEqual(meter.traffic(60_000), { commitsPerHour: 3_600, writers: 4 });
  const newcomer = new TrafficMeter();
  for (let at = 0; at < 60_000; at += 1_000) newcomer.saw(at, `w${(at / 1_000) % 4}`, false);
  assert.equal(newcomer.traffic(60_000).writers, 5);
  assert.deepEqual(newcomer.traffic(3_600_000), alone);
});
