import assert from "node:assert/strict";
import { inParallel } from "../../log/in-parallel.ts";
import { openLandingLog } from "../../log/landing-log.ts";
import { numberOf } from "../../log/paths.ts";
import type { LandedRange } from "../../log/protocol.ts";
import type { TableStore } from "../../store-port.ts";
import { memoryLanding } from "../memory-table-store.ts";
import { namesOf, numberIn, range, signal, topic, type LogTable } from "./log-table.ts";

const COMMITS = 2_105;

/**
 * What other processes do to a log while one sleeps: two thousand commits, the first
 * thousand archived. Made in memory and copied, since a real store takes minutes for it; what no case
 * reads stays behind. The first commit advances `ranges`, each further one a partition of its own.
 */
export async function outpace(
  table: LogTable,
  store: TableStore,
  ranges: readonly LandedRange[],
): Promise<void> {
  const landing = memoryLanding();
  const memory = landing.open();
  for (const name of await namesOf(store, "_log")) {
    if (numberOf(name) === undefined) continue;
    const bytes = await store.read(`_log/${name}`, signal);
    if (bytes) await memory.put(`_log/${name}`, bytes, signal);
  }
  const options = { store: memory, table: "tweets", writer: "others", emit: () => undefined };
  const log = await openLandingLog({ ...options, clock: table.clock }, signal);
  const first = log.state.tip;
  for (let number = first + 1; number <= COMMITS; number++) {
    const own = number === first + 1 ? ranges : [range(1, number, number + 1)];
    const prepared = await log.prepare({ advances: [{ ...topic, ranges: own }] }, signal);
    numberIn(await log.commit(prepared, signal));
    await log.publish(prepared, signal);
    await log.maintain(signal);
  }
  const paths = landing.tree.paths().filter((path) => {
    const number = numberOf(path.slice("_log/".length));
    return number === undefined ? path.startsWith("_log/") : number >= COMMITS - 205;
  });
  assert.ok(paths.includes("_log/marks/00000000000000001000"), "nothing was archived");
  await inParallel(paths, 16, async (path) => {
    const bytes = await memory.read(path, signal);
    if (bytes) await store.put(path, bytes, signal);
  });
  const old = (await namesOf(store, "_log")).filter((name) => (numberOf(name) ?? COMMITS) <= first);
  await store.remove(
    old.map((name) => `_log/${name}`),
    signal,
  );
}
