// Any order of joins, leaves, stops, kills, fences and lost messages: never two owners, in the end one.
import { test } from "node:test";
import type { Random } from "../../src/testing/index.ts";
import { REBALANCE_MS, SESSION_MS, TOPIC, World, type Worker } from "./world.ts";

/** GROUP_RUNS=1000 is the long draw. */
const RUNS = Number(process.env["GROUP_RUNS"] ?? 10);
const STEPS = 25;

type Act = (world: World, random: Random, worker: Worker) => void | Promise<void>;

const acts: readonly (readonly [weight: number, act: Act])[] = [
  [
    3,
    (world) => {
      if (world.living.length < 5) world.start();
    },
  ],
  [1, (world, _, worker) => world.leave(worker)],
  [1, (world, _, worker) => world.kill(worker)],
  [
    3,
    (world, random, worker) => {
      worker.process.stop();
      world.resumeAfter(worker, random() * 3 * SESSION_MS);
    },
  ],
  [1, (world, _, worker) => world.fence(worker)],
  [1, (world, random) => world.coordinator.move(random() * 1.5 * SESSION_MS)],
  [
    2,
    (world, random) => {
      world.coordinator.lossRate = random() < 0.5 ? 0 : 0.3 * random();
    },
  ],
  [1, (world, random) => world.coordinator.topics.set(TOPIC, 12 + Math.floor(random() * 12))],
];

function choose(random: Random): Act {
  let left = random() * acts.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, act] of acts) if ((left -= weight) < 0) return act;
  return acts[0]?.[1] ?? (() => undefined);
}

async function simulate(seed: number, protocol: "consumer" | "classic"): Promise<void> {
  const settleMs = (random: Random) => random() ** 4 * REBALANCE_MS * 1.2;
  const world = new World({ seed, member: { protocol }, settleMs });
  world.start();
  for (let step = 0; step < STEPS; step++) {
    const running = world.living.filter(({ process }) => process.isRunning);
    const worker = running[Math.floor(world.random() * running.length)];
    if (worker) await choose(world.random)(world, world.random, worker);
    else world.start();
    await world.clock.run(world.random() * 8_000);
  }
  world.coordinator.lossRate = 0;
  // All that were stopped go on again.
  await world.clock.run(3 * SESSION_MS);
  if (world.living.length === 0) world.start();
  await world.clock.run(SESSION_MS);
  for (let waitedMs = 0; !world.isShared(); waitedMs += 1_000) {
    if (waitedMs > 3 * REBALANCE_MS) break;
    await world.clock.run(1_000);
  }
  world.checkShared();
  await world.end();
}

for (const protocol of ["consumer", "classic"] as const) {
  test(`${protocol}: ${RUNS} seeded runs of ${STEPS} events`, async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      try {
        await simulate(seed, protocol);
      } catch (cause) {
        throw new Error(`seed ${seed}`, { cause });
      }
    }
  });
}
