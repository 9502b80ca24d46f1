import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeClock } from "@hybridge/core/testing";
import { ReadsFileError } from "../src/feeds/x/errors.ts";
import { ReadBudget, type ReadsOfMonth } from "../src/feeds/x/read-budget.ts";
import { readsFile } from "../src/feeds/x/reads-file.ts";
import { ReconnectLadder } from "../src/feeds/x/reconnect-ladder.ts";
import { StreamMemory } from "../src/feeds/x/stream-memory.ts";

test("the waits are those that X publishes, each kind for itself, until a stream is established", () => {
  const ladder = new ReconnectLadder();
  const waits = (kind: "network" | "http" | "rate-limit", count: number) =>
    Array.from({ length: count }, () => ladder.failed(kind));
  assert.deepEqual(waits("network", 3), [250, 500, 750]);
  assert.deepEqual(
    waits("http", 8),
    [5, 10, 20, 40, 80, 160, 320, 320].map((s) => s * 1_000),
  );
  assert.deepEqual(
    waits("rate-limit", 5),
    [1, 2, 4, 8, 15].map((minutes) => minutes * 60_000),
  );
  assert.equal(waits("network", 100).at(-1), 16_000);
  ladder.established();
  assert.equal(ladder.failed("network"), 250);
  assert.equal(ladder.failed("rate-limit", 200_000), 200_000);
});

test("connections are counted over restarts, and a clock that is set back costs no days", () => {
  let memory = StreamMemory.from(undefined);
  for (let connect = 0; connect < 50; connect++) {
    assert.equal(memory.waitMs(connect * 1_000), 0);
    memory.connected(connect * 1_000);
    memory = StreamMemory.from(String(memory));
  }
  assert.equal(memory.waitMs(50_000), 851_000);
  assert.equal(memory.waitMs(901_000), 0);
  memory.notBeforeMs = 1_000_000_000;
  assert.equal(StreamMemory.from(String(memory)).waitMs(1_000_000), 1_802_000);
  assert.equal(StreamMemory.from("no cursor of ours").waitMs(0), 0);
});

function memoryStore() {
  const saved: ReadsOfMonth[] = [];
  const store = {
    load: () => Promise.resolve(saved.at(-1)),
    save: (reads: ReadsOfMonth) => Promise.resolve(void saved.push(reads)),
  };
  return { store, saved };
}

test("a bound on reads holds over crashes, and ends with X's month", async () => {
  const clock = new FakeClock(Date.UTC(2026, 10, 26));
  const { store, saved } = memoryStore();
  const open = () => ReadBudget.open({ readsMax: 1_000, resetDay: 15, store, clock });
  let budget = await open();
  let read = 0;
  while (budget.left !== 0) {
    await budget.count(7);
    read += 7;
    assert.ok((saved.at(-1)?.reads ?? 0) >= budget.reads, "what was read is on the disk");
    // Killed: what was leased and not read is charged.
    if (read % 70 === 0) budget = await open();
  }
  assert.ok(read <= 1_006 && read >= 800, `${read} read`);
  assert.equal(new Date(budget.resetAtMs).toISOString(), "2026-12-15T00:00:00.000Z");
  clock.advance(19 * 86_400_000);
  assert.equal(budget.left, 1_000);
  await budget.count(3);
  await budget.close();
  assert.deepEqual(saved.at(-1), { since: "2026-12-15T00:00:00.000Z", reads: 3 });
});

test("a clock that is set back opens no month again", async () => {
  const clock = new FakeClock(Date.UTC(2026, 10, 26));
  const budget = await ReadBudget.open({
    readsMax: 10,
    resetDay: 1,
    store: memoryStore().store,
    clock,
  });
  await budget.count(10);
  clock.advance(-40 * 86_400_000);
  assert.equal(budget.left, 0);
});

test("the count on the disk survives, and what is no count is told with what to do", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-reads-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "x-reads.json");
  assert.equal(await readsFile(path).load(), undefined);
  const reads = { since: "2026-11-01T00:00:00.000Z", reads: 12 };
  await readsFile(path).save(reads);
  assert.deepEqual(await readsFile(path).load(), reads);
  writeFileSync(path, "{");
  await assert.rejects(readsFile(path).load(), (error: unknown) => {
    assert.ok(error instanceof ReadsFileError);
    assert.match(error.message, /delete it to count from nothing/);
    return true;
  });
  await assert.rejects(readsFile(join(dir, "none", "f")).save(reads), ReadsFileError);
});
