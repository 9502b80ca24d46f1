import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateLog, type SimulationOptions } from "../../src/testing/index.ts";
import { generator } from "./fault-world.ts";

// The first days of 365 and the first minutes of 7 days; simulate.ts runs them whole.
const shapes: Readonly<Record<string, Omit<SimulationOptions, "random">>> = {
  "a worker at 60 s with 50 partitions": {
    ...{ days: 1.6, intervalMs: 60_000, partitions: 50, workers: 1, startEvery: 97 },
  },
  "20 workers at 5 s with 200 partitions": {
    ...{ days: 0.0125, intervalMs: 5_000, partitions: 200, workers: 20, startEvery: 97 },
  },
};

for (const [name, shape] of Object.entries(shapes)) {
  test(`${name}: small folders, short starts, every offset once`, async () => {
    const result = await simulateLog({ ...shape, random: generator(7) });
    const hours = shape.days * 24;
    assert.ok(result.commits > 2_100, `${result.commits} commits archive nothing`);
    assert.ok(result.commits < 9_000 * hours, `${result.commits} commits in ${hours} hours`);
    assert.ok(result.commitsPerHourMax < 9_000, `${result.commitsPerHourMax} commits in an hour`);
    assert.ok(result.folderNames <= 10_000, `${result.folderNames} names in a folder`);
    assert.ok(result.startCalls <= 200, `${result.startCalls} calls for a start`);
    assert.ok(result.startBytes <= 32 * 2 ** 20, `${result.startBytes} bytes for a start`);
    assert.equal(result.followed, result.covered);
    // What was not flushed at the end: a few intervals.
    const rate = result.produced / (hours * 3_600);
    const behind = (result.produced - result.covered) / rate;
    assert.ok(behind >= 0 && behind <= (4 * shape.intervalMs) / 1_000, `${behind} s are missing`);
    assert.equal(result.void, 0);
    assert.ok(result.starts > 10, `${result.starts} starts`);
  });
}
