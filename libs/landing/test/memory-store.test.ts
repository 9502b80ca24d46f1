import assert from "node:assert/strict";
import { test } from "node:test";
import { landingStoreOver } from "../src/index.ts";
import {
  landingStoreConformance,
  memoryBlobs,
  memoryDisk,
  memoryStore,
} from "../src/testing/index.ts";

landingStoreConformance("memory", () => {
  const disk = memoryDisk();
  return Promise.resolve({
    store: memoryStore(disk),
    reopen: () => Promise.resolve(memoryStore(disk)),
    readBack: (location) => Promise.resolve(disk.files.get(location.replace("memory:/", ""))),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

test("the position is found in a ledger of many pages", async () => {
  const signal = new AbortController().signal;
  for (const count of [1, 2, 3, 7, 40, 333]) {
    const disk = memoryDisk();
    const store = landingStoreOver(memoryBlobs(disk, 3));
    let first = 5n;
    for (let index = 0; index < count; index++) {
      const last = first + BigInt((index * 7919) % 100_000);
      const cut = { topic: "t", partition: 0, first, last, decidedAtMs: index, schema: "1" };
      await store.writeCut(cut, signal);
      await store.commit({ cut, files: [], rows: 0, deadLetters: 0 }, signal);
      first = last + 1n;
    }
    const state = await store.readLedger({ topic: "t", partition: 0 }, signal);
    assert.deepEqual(state, { position: first, openCut: undefined });
    const open = { topic: "t", partition: 0, first, last: first, decidedAtMs: 0, schema: "1" };
    await store.writeCut(open, signal);
    assert.deepEqual((await store.readLedger(open, signal)).openCut, open);
  }
});
