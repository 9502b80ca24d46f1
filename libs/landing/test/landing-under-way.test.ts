import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineOptions, LandingLog } from "../src/index.ts";
import { textFlushEncoder } from "../src/testing/index.ts";
import { LandingWorld } from "./landing-world.ts";

const signal = new AbortController().signal;

/** Five records a flush. */
const limits = { intervalMs: 1_000, bufferBytesMax: 1_000_000, recordsMax: 5 };

/** Holds calls of a log back until they are let go. */
function gate() {
  let waiting: (() => void)[] = [];
  let isOpen = false;
  return {
    get waiting() {
      return waiting.length;
    },
    open() {
      isOpen = true;
      for (const go of waiting) go();
      waiting = [];
    },
    async pass(): Promise<void> {
      if (!isOpen) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}

/** Counts buffers that hold records: those that are open or being encoded. */
function countingEncoder() {
  const encoder = textFlushEncoder();
  const counts = { opened: 0, freed: 0 };
  const over: Partial<EngineOptions> = {
    encoder: {
      ...encoder,
      open() {
        counts.opened += 1;
        const buffer = encoder.open();
        return Object.assign(Object.create(buffer) as typeof buffer, {
          async [Symbol.asyncDispose]() {
            counts.freed += 1;
            await buffer[Symbol.asyncDispose]();
          },
        });
      },
    },
  };
  return { counts, over };
}

const prepareBehind = (door: ReturnType<typeof gate>) => (log: LandingLog) => ({
  async prepare(...[content, until]: Parameters<LandingLog["prepare"]>) {
    await door.pass();
    return await log.prepare(content, until);
  },
});

test("while the store takes its time, others are encoded and uploaded; one buffer is held", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  world.write(0, 100);
  const door = gate();
  const { counts, over } = countingEncoder();
  const { engine } = await world.start({ ...over, limits }, prepareBehind(door));
  engine.assigned([0]);
  await world.pass(5_000);
  // Four under way, and the next one full in memory.
  assert.equal(door.waiting, 4);
  assert.deepEqual(counts, { opened: 5, freed: 4 });
  assert.equal(engine.status().partitions[0]?.readOffset, 25n);
  door.open();
  await world.landed();
  await world.settled(engine.stop());
});

test("commits come in their order, whatever the order of the uploads", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  world.write(0, 20);
  const doors = [gate(), gate(), gate(), gate()];
  let calls = 0;
  const order: bigint[] = [];
  const { engine } = await world.start({ limits }, (log) => ({
    async prepare(content, until) {
      await doors[calls++]?.pass();
      return await log.prepare(content, until);
    },
    async commit(prepared, until) {
      for (const action of prepared.commit.actions) {
        if (action.do === "advance") order.push(...action.ranges.map(({ from }) => from));
      }
      return await log.commit(prepared, until);
    },
  }));
  engine.assigned([0]);
  await world.until(() => calls === 4);
  for (const door of doors.toReversed()) {
    assert.deepEqual(order, []);
    door.open();
    await world.pass(500);
  }
  await world.landed();
  assert.deepEqual(order, [0n, 5n, 10n, 15n]);
  await world.settled(engine.stop());
});

test("a conflict takes its partition out of all that is under way, and nothing else", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  for (let round = 0; round < 3; round++) {
    world.write(0, 2);
    world.write(1, 3);
  }
  const door = gate();
  const tried: string[] = [];
  const { engine, events } = await world.start({ limits }, (log) => ({
    ...prepareBehind(door)(log),
    async commit(prepared, until) {
      const outcome = await log.commit(prepared, until);
      const ranges = prepared.commit.actions.flatMap((action) => {
        return action.do === "advance" ? action.ranges : [];
      });
      const text = ranges.map(({ partition, from, to }) => `${partition}:${from}-${to}`).join(" ");
      tried.push(`${outcome.kind} ${text}`);
      return outcome;
    },
  }));
  engine.assigned([0, 1]);
  await world.until(() => door.waiting >= 2);
  // Another process has landed the first records of partition 0 meanwhile.
  await world.fill(0, 0n, 1n);
  door.open();
  await world.landed();
  const lost = tried.filter((each) => each.startsWith("lost"));
  assert.equal(lost.length, 1, tried.join("; "));
  // Its flush was not lost with it: the other partition's records went in with the next try.
  const [, next = ""] = tried;
  assert.match(next, /^committed 1:0-/, tried.join("; "));
  assert.ok(!events.some(({ name }) => name === "landing.source_out_of_order"));
  await world.settled(engine.stop());
});

test("overslept: whatever is under way is forgotten, and read again", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  world.write(0, 20);
  const door = gate();
  let commits = 0;
  let drafts = 0;
  const { engine } = await world.start({ limits }, (log) => ({
    async prepare(content, until) {
      await door.pass();
      drafts += 1;
      return await log.prepare(content, until);
    },
    async commit(prepared, until) {
      commits += 1;
      return commits === 1 ? { kind: "asleep", attempts: 1 } : await log.commit(prepared, until);
    },
  }));
  engine.assigned([0]);
  await world.until(() => door.waiting === 4);
  door.open();
  await world.landed();
  assert.deepEqual([drafts, commits], [8, 5], "four drafts were given up, one was tried");
  await world.settled(engine.stop());
});

test("what is revoked is settled when no flush under way has it", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  world.write(0, 15);
  const door = gate();
  const { engine } = await world.start({ limits }, prepareBehind(door));
  engine.assigned([0, 1]);
  await world.until(() => door.waiting === 3);
  let isSettled = false;
  const revoked = engine.revoked([0], signal).then(() => (isSettled = true));
  await world.pass(2_000);
  assert.ok(!isSettled);
  door.open();
  await world.settled(revoked);
  assert.equal(world.rows().length, 15);
  await world.settled(engine.stop());
});

test("dead letters stay in memory until they are landed: nothing is encoded beside them", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  world.write(0, 4);
  world.topic.append(0, ["bad one"]);
  world.write(0, 10);
  const door = gate();
  const { counts, over } = countingEncoder();
  const { engine } = await world.start({ ...over, limits }, prepareBehind(door));
  engine.assigned([0]);
  await world.pass(5_000);
  assert.equal(door.waiting, 1);
  assert.equal(counts.opened, 2);
  door.open();
  await world.landed();
  await world.settled(engine.stop());
});

test("stopped while one is encoded, it lands what was read meanwhile too", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  world.write(0, 10);
  const door = gate();
  const encoder = textFlushEncoder({ beforeEncode: () => door.pass() });
  const { engine } = await world.start({ limits, encoder });
  engine.assigned([0]);
  await world.until(() => door.waiting === 1 && engine.status().partitions[0]?.readOffset === 10n);
  const stopped = engine.stop();
  await world.pass(500);
  door.open();
  await world.settled(stopped);
  assert.deepEqual(world.rows(), world.written.toSorted());
});

test("a flush that can never be landed ends the landing, whatever else is under way", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  world.write(0, 20);
  let calls = 0;
  const { engine } = await world.start({ limits }, (log) => ({
    async prepare(content, until) {
      if (++calls === 3) throw new TypeError("a bug");
      if (calls > 1)
        return await new Promise((_, reject) => {
          until.addEventListener("abort", () => reject(until.reason as Error));
        });
      return await log.prepare(content, until);
    },
  }));
  engine.assigned([0]);
  await assert.rejects(world.settled(engine.done), TypeError);
});

test("the oldest record that waits is told while several flushes are under way", async () => {
  const world = new LandingWorld({ batchMax: 5 });
  const startMs = world.clock.now();
  world.write(0, 5, { timestampMs: startMs - 60_000 });
  world.write(0, 5, { timestampMs: startMs - 30_000 });
  world.write(0, 5, { timestampMs: startMs - 10_000 });
  const doors = [gate(), gate(), gate()];
  let calls = 0;
  const { engine } = await world.start({ limits }, (log) => ({
    async prepare(content, until) {
      await doors[calls++]?.pass();
      return await log.prepare(content, until);
    },
  }));
  engine.assigned([0]);
  await world.until(() => calls === 3);
  const lagMs = () => Number(engine.status().partitions[0]?.lagMs) - (world.clock.now() - startMs);
  assert.equal(lagMs(), 60_000);
  doors[0]?.open();
  await world.until(() => engine.status().landed === 5n);
  assert.equal(lagMs(), 30_000);
  for (const door of doors) door.open();
  await world.landed();
  await world.settled(engine.stop());
});
