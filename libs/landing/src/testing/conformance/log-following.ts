import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { UnavailableError } from "@hybridge/core";
import type { CatalogPosition } from "../../catalog-port.ts";
import { CatalogRefusedError } from "../../errors.ts";
import { storedCatalogPosition } from "../../log/catalog-position.ts";
import { LogForeignError } from "../../log/errors.ts";
import { createFollower, type Follower } from "../../log/follower.ts";
import type { Action } from "../../log/protocol.ts";
import { stagedPath } from "../../log/staging.ts";
import { sweepStaging } from "../../log/sweep.ts";
import {
  memoryFollowingCatalog,
  type MemoryFollowingCatalog,
} from "../memory-following-catalog.ts";
import type { LogCase } from "./log-conformance.ts";
import {
  firstPath,
  isThere,
  namesOf,
  range,
  signal,
  topic,
  type LogTable,
  type Process,
} from "./log-table.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Catalogs that follow, and what dead writers left: rules 2, 5, 8 and 9. */
export function followingCases(it: LogCase): void {
  it("a catalog is given every commit that counts, once and in order", async (table) => {
    const a = await table.start();
    for (let from = 0; from < 70; from += 10) await land(table, a, from);
    await table.forge(8, a.log.state.log, [{ do: "advance", ...topic, ranges: [range(0, 0, 5)] }]);
    await land(table, a, 70);
    const catalog = memoryFollowingCatalog();
    catalog.stepMax = 3;
    const follower = await follow(table, a, catalog, 9);
    assert.deepEqual(numbersIn(catalog), [1, 2, 3, 4, 5, 6, 7, 9]);
    assert.deepEqual(follower.status, {
      position: { log: a.log.state.log, number: 9 },
      behind: 0,
      reason: "",
      rows: 80,
    });
    await land(table, a, 80);
    await follow(table, a, catalog, 10);
    assert.deepEqual(catalog.table.steps.at(-1), { after: 9, to: 10 });
  });

  it("two followers of one catalog hand over nothing twice (rule 9)", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    for (let from = 0; from < 200; from += 10) await land(table, a, from);
    const catalog = memoryFollowingCatalog();
    const other = memoryFollowingCatalog(catalog.table);
    catalog.stepMax = 1;
    other.stepMax = 2;
    await Promise.all([follow(table, a, catalog, 20), follow(table, b, other, 20)]);
    assert.deepEqual(
      numbersIn(catalog),
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });

  it("a catalog that refuses is asked again, and holds up nobody else", async (table) => {
    const a = await table.start();
    await land(table, a, 0);
    const catalog = memoryFollowingCatalog();
    let refusals = 0;
    let reason = "";
    catalog.refuse = () => {
      if (refusals++ === 0) throw new UnavailableError("the catalog is away");
      reason = follower.status.reason;
    };
    const follower = createFollower({ ...optionsOf(table, a), catalog });
    await until(follower, ({ status }) => status.position?.number === 1);
    assert.match(reason, /away/);
    assert.equal(follower.status.reason, "");
    assert.deepEqual(numbersIn(catalog), [1]);
  });

  it("another log, or a number past the end, stops a catalog by name (rule 5)", async (table) => {
    const a = await table.start();
    await land(table, a, 0);
    const positions: CatalogPosition[] = [
      { log: randomUUID(), number: 1 },
      { log: a.log.state.log, number: 2 },
    ];
    for (const position of positions) {
      const catalog = memoryFollowingCatalog({ position, commits: [], steps: [] });
      const follower = createFollower({ ...optionsOf(table, a), catalog });
      await assert.rejects(follower.run(signal), LogForeignError);
      assert.deepEqual(numbersIn(catalog), []);
    }
  });

  it("a position is stored for a catalog that has no table of its own", async (table) => {
    const a = await table.start();
    const stored = storedCatalogPosition(a.store, "hive");
    assert.equal(await stored.read(signal), undefined);
    await stored.write({ log: a.log.state.log, number: 7 }, signal);
    await stored.write({ log: a.log.state.log, number: 8 }, signal);
    const again = storedCatalogPosition(table.openStore(), "hive");
    assert.deepEqual(await again.read(signal), { log: a.log.state.log, number: 8 });
  });

  quarantineCases(it);
  leftoverCases(it);
}

/** Files that cannot be handed over. */
function quarantineCases(it: LogCase): void {
  it("what is neither staged nor at its place is quarantined, and the rest goes on (rule 8)", async (table) => {
    const a = await table.start();
    if (!a.store.moves) return;
    const prepared = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    assert.equal((await a.log.commit(prepared, signal)).kind, "committed");
    await a.store.remove([stagedPath(prepared.commit, 0)], signal);
    await land(table, a, 10);
    const catalog = memoryFollowingCatalog();
    await follow(table, a, catalog, 3);
    const path = firstPath(prepared.commit);
    assert.ok(!pathsIn(catalog).includes(path), "the file was handed over");
    assert.equal(pathsIn(catalog).length, 1);
    assert.deepEqual(quarantined(catalog), ["missing"]);
    // Followed from the beginning, it is known already.
    const anew = memoryFollowingCatalog();
    await follow(table, await table.start(), anew, 3);
    assert.deepEqual(quarantined(anew), ["missing"]);
  });

  it("what a catalog refuses is quarantined, once, and the rest goes on (rule 8)", async (table) => {
    const a = await table.start();
    const bad = await land(table, a, 0);
    await land(table, a, 10);
    const path = firstPath(bad.commit);
    const refusing = () => {
      const catalog = memoryFollowingCatalog();
      catalog.refuse = ({ commits }) => {
        const isGiven = commits.some(({ commit }) => brings(commit.actions, path));
        if (!isGiven) return;
        throw new CatalogRefusedError(
          "a column is missing",
          [{ commit: bad.number, path }],
          "refused",
        );
      };
      return catalog;
    };
    const catalog = refusing();
    await follow(table, a, catalog, 3);
    assert.deepEqual([numbersIn(catalog), quarantined(catalog)], [[1, 2, 3], ["refused"]]);
    const anew = refusing();
    await follow(table, await table.start(), anew, 3);
    assert.deepEqual([numbersIn(anew), quarantined(anew)], [[1, 2, 3], ["refused"]]);
  });
}

/** What a writer leaves when it dies. */
function leftoverCases(it: LogCase): void {
  it("files of a writer that died after its commit are published by who follows (rule 8)", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    const prepared = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    await a.log.commit(prepared, signal);
    const catalog = memoryFollowingCatalog();
    await follow(table, b, catalog, 1);
    assert.equal(await isThere(b.store, firstPath(prepared.commit)), true);
    if (b.store.moves) assert.deepEqual(await namesOf(b.store, "_staging"), []);
    await a.log.publish(prepared, signal);
  });

  it("a draft is swept when it is old: its files at once, itself a day later (rule 2)", async (table) => {
    const [dead, b] = [await table.start(), await table.start()];
    const draft = await dead.log.prepare(await table.flush(range(0, 0, 10)), signal);
    const young = async () => sweepStaging(b.log, optionsOf(table, b), signal);
    assert.deepEqual(await young(), { published: 0, removed: 0 });
    const file = b.store.moves ? stagedPath(draft.commit, 0) : firstPath(draft.commit);
    table.clock.advance(DAY_MS + HOUR_MS);
    const kept = await b.log.prepare(await table.flush(range(1, 0, 10)), signal);
    assert.deepEqual(await young(), { published: 0, removed: 1 });
    assert.equal(b.log.state.floor, 1);
    assert.equal(await isThere(b.store, file), false);
    const isDrafted = async () =>
      (await namesOf(b.store, "_staging")).some((name) => name.includes(draft.id));
    assert.equal(await isDrafted(), true);
    // It wakes, and learns it; so does whoever was at work, who has the files still.
    assert.equal((await dead.log.commit(draft, signal)).kind, "swept");
    assert.equal((await b.log.commit(kept, signal)).kind, "swept");
    table.clock.advance(DAY_MS + HOUR_MS);
    await young();
    assert.equal(await isDrafted(), false);
    assert.equal((await table.start()).log.state.counters.void, 0);
  });

  it("staging of a commit that counts is published by a sweep, then removed", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    const prepared = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    await a.log.commit(prepared, signal);
    table.clock.advance(2 * DAY_MS);
    const result = await sweepStaging(b.log, optionsOf(table, b), signal);
    assert.deepEqual(result, { published: 1, removed: 0 });
    assert.equal(await isThere(b.store, firstPath(prepared.commit)), true);
    assert.deepEqual(await namesOf(b.store, "_staging"), []);
    assert.equal(b.log.state.tip, 1);
  });
}

async function land(table: LogTable, process: Process, from: number) {
  const landed = await table.land(process, await table.flush(range(0, from, from + 10)));
  await process.log.publish(landed.prepared, signal);
  return landed;
}

function optionsOf({ clock }: LogTable, { log, store }: Process) {
  return { log, store, clock, emit: () => undefined, intervalMs: 5 };
}

/** Follows until the catalog shows everything up to a commit. */
async function follow(
  table: LogTable,
  process: Process,
  catalog: MemoryFollowingCatalog,
  number: number,
): Promise<Follower> {
  const follower = createFollower({ ...optionsOf(table, process), catalog });
  return until(follower, () => (catalog.table.position?.number ?? 0) >= number);
}

async function until(follower: Follower, isDone: (it: Follower) => boolean): Promise<Follower> {
  const stop = new AbortController();
  const running = follower.run(stop.signal);
  // A follower looks every few milliseconds; it ends by itself when it fails.
  const watch = setInterval(() => {
    if (isDone(follower)) stop.abort();
  }, 1);
  await running.finally(() => clearInterval(watch));
  return follower;
}

function numbersIn({ table }: MemoryFollowingCatalog): number[] {
  return table.commits.map(({ number }) => number);
}

function pathsIn({ table }: MemoryFollowingCatalog): string[] {
  return table.commits.flatMap(({ commit }) =>
    commit.actions.flatMap((action) =>
      "files" in action ? action.files.map(({ path }) => path) : [],
    ),
  );
}

function quarantined({ table }: MemoryFollowingCatalog): string[] {
  return table.commits.flatMap(({ commit }) =>
    commit.actions.flatMap((action) => (action.do === "quarantine" ? [action.why] : [])),
  );
}

function brings(actions: readonly Action[], path: string): boolean {
  return actions.some(
    (action) => "files" in action && action.files.some((file) => file.path === path),
  );
}
