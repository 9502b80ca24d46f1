import assert from "node:assert/strict";
import { test } from "node:test";
import { openLandingLog, storedCatalogPosition, TABLE_NAME } from "@hybridge/landing";
import { memoryLanding } from "@hybridge/landing/testing";
import { readInternalEnds } from "../src/internal-ends.ts";

const signal = new AbortController().signal;
const emit = () => undefined;

test("Hive shows what the log has up to its position; nothing is founded by asking", async () => {
  const disk = memoryLanding();
  assert.equal(await readInternalEnds(disk.open(), "t", emit, signal), undefined);
  assert.deepEqual(disk.tree.paths(), []);
  const store = disk.open();
  const log = await openLandingLog({ store, table: TABLE_NAME, writer: "test", emit }, signal);
  for (const [from, to] of [
    [0n, 10n],
    [10n, 30n],
  ] as const) {
    const range = { partition: 2, from, to, rows: 1, dead: 0, md5Sum: 0n };
    const topic = { cluster: "c", topic: "t", topicId: "A" };
    const prepared = await log.prepare({ advances: [{ ...topic, ranges: [range] }] }, signal);
    await log.commit(prepared, signal);
  }
  const stored = storedCatalogPosition(store, "hive");
  await stored.write({ log: log.state.log, number: 1 }, signal);
  const ends = await readInternalEnds(disk.open(), "t", emit, signal);
  assert.deepEqual([ends?.(2), ends?.(0)], [10n, undefined]);
});
