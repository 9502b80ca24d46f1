import assert from "node:assert/strict";
import { test } from "node:test";
import { openLandingLog, visibleEnds, type LandingLog } from "../src/index.ts";
import { memoryLanding } from "../src/testing/index.ts";

const signal = new AbortController().signal;
const TOPIC = { cluster: "c", topic: "t", topicId: "A" };

async function advance(log: LandingLog, partition: number, from: bigint, to: bigint) {
  const range = { partition, from, to, rows: Number(to - from), dead: 0, md5Sum: 0n };
  const prepared = await log.prepare({ advances: [{ ...TOPIC, ranges: [range] }] }, signal);
  assert.equal((await log.commit(prepared, signal)).kind, "committed");
}

test("what later commits brought is not visible yet", async () => {
  const store = memoryLanding().open();
  const emit = () => undefined;
  const log = await openLandingLog({ store, table: "t", writer: "test", emit }, signal);
  assert.deepEqual([...(await visibleEnds(log, "t", 0, signal))], []);
  await advance(log, 0, 0n, 10n);
  await advance(log, 1, 0n, 5n);
  const at = log.state.tip;
  await advance(log, 0, 10n, 20n);
  await advance(log, 2, 0n, 3n);
  const ends = async (commit: number) =>
    Object.fromEntries(await visibleEnds(log, "t", commit, signal));
  assert.deepEqual(await ends(log.state.tip), { 0: 20n, 1: 5n, 2: 3n });
  assert.deepEqual(await ends(at), { 0: 10n, 1: 5n, 2: 0n });
  assert.deepEqual(await ends(0), { 0: 0n, 1: 0n, 2: 0n });
});
