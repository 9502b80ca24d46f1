import assert from "node:assert/strict";
import { test } from "node:test";
import { LandingWorld, type Process } from "./landing-world.ts";

const PARTITIONS = 5;
const STEPS = 40;

/** A generator of numbers below 1 that a seed repeats (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Joins, leaves, deaths, sleeps and faults by a seed; in the end every record is landed once. */
async function simulate(seed: number): Promise<void> {
  const random = chance(seed);
  const world = new LandingWorld({
    partitions: PARTITIONS,
    batchMax: 1 + Math.floor(random() * 9),
  });
  // With few records in a flush, several are under way at once.
  const recordsMax = seed % 2 === 0 ? 4 : 1_000;
  const limits = { intervalMs: 1_000, bufferBytesMax: 1_000_000, recordsMax };
  let living: Process[] = [];
  /** Not in the group any more, and do not know it. */
  const asleep: Process[] = [];
  const pick = () => living[Math.floor(random() * living.length)];
  const without = (process: Process) => {
    living = living.filter((other) => other !== process);
  };
  const steps: (() => Promise<void>)[] = [
    async () => {
      if (living.length >= 4) return;
      const process = await world.start({ random, limits });
      living.push(process);
      await world.join(process);
    },
    async () => {
      const process = pick();
      if (!process || living.length < 2) return;
      without(process);
      await world.settled(process.engine.stop());
      await world.leave(process);
    },
    async () => {
      const process = pick();
      if (!process || living.length < 2) return;
      without(process);
      process.store.kill();
      await world.expire(process, true);
    },
    async () => {
      const process = pick();
      if (!process || living.length < 2) return;
      without(process);
      asleep.push(process);
      await world.expire(process, false);
    },
    () => {
      for (const { store } of living) {
        const kinds = ["before", "after", "late"] as const;
        store.fault = () =>
          (random() < 0.1 ? kinds[Math.floor(random() * 3)] : undefined) ?? "none";
      }
      return Promise.resolve();
    },
    () => {
      for (const { store } of living) store.fault = () => "none";
      while (world.disk.late > 0) world.disk.deliver((count) => Math.floor(random() * count));
      return Promise.resolve();
    },
  ];
  for (let step = 0; step < STEPS; step++) {
    const partition = Math.floor(random() * PARTITIONS);
    world.write(partition, Math.floor(random() * 30));
    if (random() < 0.6) await steps[Math.floor(random() * steps.length)]?.();
    await world.pass(Math.floor(random() * 8) * 100);
  }
  for (const { store } of [...living, ...asleep]) store.fault = () => "none";
  while (world.disk.late > 0) world.disk.deliver();
  const last = await world.start();
  living.push(last);
  await world.join(last);
  const isIdle = ({ engine }: Process) => engine.status().partitions.every(({ lag }) => lag === 0n);
  await world.pass(1_000);
  await world.until(() => living.every(isIdle));
  await world.publishLeft();
  await world.landed();
  for (const { engine } of [...living, ...asleep]) {
    await world.settled(engine[Symbol.asyncDispose]());
  }
  assert.ok(world.written.length > 0);
  await world.landed();
}

for (let seed = 1; seed <= 12; seed++) {
  test(`every record once, whatever happens to processes and store: seed ${seed}`, async () => {
    await simulate(seed);
  });
}
