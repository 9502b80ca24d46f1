import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "@hybridge/core";
import type { LandingEngine } from "../src/index.ts";
import { textFlushEncoder } from "../src/testing/index.ts";
import { LandingWorld, type Process } from "./landing-world.ts";

const signal = new AbortController().signal;

const state = (engine: LandingEngine) => engine.status().state;

test("lands what is there and what comes, each record once", async () => {
  const world = new LandingWorld();
  world.write(0, 25);
  world.write(1, 3);
  const { engine } = await world.start();
  engine.assigned([0, 1]);
  await world.landed();
  world.write(1, 30);
  await world.landed();
  assert.equal(state(engine), "RUNNING");
  assert.deepEqual(
    engine.status().partitions.map(({ landedOffset, lag }) => [landedOffset, lag]),
    [
      [25n, 0n],
      [33n, 0n],
    ],
  );
  await engine.stop();
  await engine.done;
});

test("a flush is one commit with a file per hour, whatever the number of partitions", async () => {
  const world = new LandingWorld({ partitions: 20 });
  for (let partition = 0; partition < 20; partition++) {
    world.write(partition, 3, { timestampMs: (partition % 2) * 3_600_000 });
  }
  const { engine } = await world.start();
  engine.assigned(Array.from({ length: 20 }, (_, partition) => partition));
  await world.landed();
  assert.equal(world.files().length, 2);
  await engine.stop();
});

test("a bad record is a dead letter of the commit", async () => {
  const world = new LandingWorld();
  world.write(0, 5);
  world.topic.append(0, ["bad one"]);
  const { engine } = await world.start();
  engine.assigned([0]);
  await world.landed();
  assert.deepEqual(world.deadLetters(), ["A/0/5 bad one"]);
  assert.equal(engine.status().deadLetters, 1n);
  await engine.stop();
});

test("offsets without records are covered too, and make no commit of their own", async () => {
  const world = new LandingWorld();
  world.write(0, 2);
  world.topic.append(0, [undefined, undefined]);
  const { engine } = await world.start();
  engine.assigned([0]);
  await world.landed();
  await world.until(() => engine.status().partitions[0]?.lag === 0n);
  const commits = await world.commits();
  await world.pass(10_000);
  assert.equal(await world.commits(), commits);
  await engine.stop();
});

test("processes join and leave: what is under way is settled, nothing is lost or doubled", async () => {
  const world = new LandingWorld({ partitions: 6 });
  const processes: Process[] = [];
  for (let round = 0; round < 3; round++) {
    for (let partition = 0; partition < 6; partition++) world.write(partition, 20);
    const process = await world.start();
    processes.push(process);
    await world.join(process);
    await world.pass(700);
  }
  await world.landed();
  for (const process of processes.slice(0, 2)) {
    for (let partition = 0; partition < 6; partition++) world.write(partition, 20);
    await world.pass(700);
    await world.settled(process.engine.stop());
    await world.leave(process);
  }
  await world.landed();
  await world.settled(processes[2]!.engine.stop());
});

test("a process that does not know that it lost its partitions does no harm, and none that does", async () => {
  const world = new LandingWorld({ partitions: 4 });
  const first = await world.start();
  await world.join(first);
  for (const isTold of [false, true]) {
    const second = await world.start();
    await world.join(second);
    for (let round = 0; round < 3; round++) {
      for (let partition = 0; partition < 4; partition++) world.write(partition, 15);
      await world.pass(600);
      if (round === 1) await world.expire(second, isTold);
    }
    await world.landed();
    await world.settled(second.engine.stop());
  }
  await world.settled(first.engine.stop());
});

test("two that believe they have everything: each record once", async () => {
  const world = new LandingWorld({ partitions: 3 });
  const both = [await world.start(), await world.start()];
  for (const { engine } of both) engine.assigned([0, 1, 2]);
  for (let round = 0; round < 10; round++) {
    for (let partition = 0; partition < 3; partition++) world.write(partition, 11);
    await world.pass(900);
  }
  await world.landed();
  for (const { engine } of both) await world.settled(engine.stop());
});

test("killed in the middle, another process goes on", async () => {
  const world = new LandingWorld();
  for (let round = 0; round < 8; round++) {
    world.write(0, 13);
    world.write(1, 13);
    const { engine, store } = await world.start();
    engine.assigned([0, 1]);
    await world.pass(900 + round * 40);
    store.kill();
    engine.lost([0, 1]);
  }
  const last = await world.start();
  last.engine.assigned([0, 1]);
  await world.landed();
  await world.settled(last.engine.stop());
});

test("what others have filled further on is left out: it stops where the hole ends", async () => {
  const world = new LandingWorld();
  world.write(0, 30);
  await world.fill(0, 10n, 20n);
  const { engine } = await world.start();
  engine.assigned([0]);
  await world.landed();
  await engine.stop();
});

test("swept or overslept, a flush begins again", async () => {
  for (const kind of ["swept", "asleep"] as const) {
    const world = new LandingWorld();
    world.write(0, 10);
    let times = 0;
    const { engine } = await world.start({}, (log) => ({
      async commit(prepared, until) {
        times += 1;
        if (times <= 2) return { kind, attempts: 1 };
        return await log.commit(prepared, until);
      },
    }));
    engine.assigned([0]);
    await world.landed();
    assert.ok(times >= 3);
    await engine.stop();
  }
});

test("added partitions land from their beginning", async () => {
  const world = new LandingWorld();
  const process = await world.start();
  await world.join(process);
  world.write(0, 5);
  await world.landed();
  await world.grow(4);
  world.write(3, 8);
  await world.landed();
  await process.engine.stop();
});

test("a full buffer is flushed before its time, and reading waits for it", async () => {
  const world = new LandingWorld();
  world.write(0, 500);
  let release: () => void = () => undefined;
  const blocked = new Promise<void>((resolve) => (release = resolve));
  let most = 0;
  const encoder = textFlushEncoder({ beforeEncode: () => blocked });
  const { engine } = await world.start({
    limits: { intervalMs: 1_000_000, bufferBytesMax: 5_000, recordsMax: 1_000_000 },
    encoder: {
      ...encoder,
      open() {
        const buffer = encoder.open();
        return {
          ...buffer,
          get bytes() {
            most = Math.max(most, buffer.bytes);
            return buffer.bytes;
          },
          get rows() {
            return buffer.rows;
          },
        };
      },
    },
  });
  engine.assigned([0]);
  await world.pass(5_000);
  assert.equal(world.rows().length, 0);
  // One buffer under way and one full: 5,000 bytes and at most a batch more each.
  assert.ok(engine.status().partitions[0]!.readOffset < 120n, "it reads without bound");
  assert.ok(most < 6_000, `a buffer took ${most} bytes`);
  release();
  await world.until(() => engine.status().partitions[0]!.readOffset === 500n);
  await world.settled(engine.flush(signal));
  await world.settled(engine.stop());
  assert.deepEqual(world.rows(), world.written.toSorted());
});

test("stopped, it lands what it has read; a store that does not answer holds it up 6 s at most", async () => {
  const world = new LandingWorld();
  const limits = { intervalMs: 1_000_000, bufferBytesMax: 1_000_000, recordsMax: 1_000 };
  const { engine } = await world.start({ limits });
  engine.assigned([0]);
  world.write(0, 10);
  await world.until(() => engine.status().partitions[0]?.readOffset === 10n);
  await world.settled(engine.stop());
  assert.deepEqual(world.rows(), world.written.toSorted());

  world.write(0, 10);
  const other = await world.start({ limits });
  other.engine.assigned([0]);
  await world.until(() => other.engine.status().partitions[0]?.readOffset === 20n);
  other.store.fault = () => "before";
  const startMs = world.clock.monotonic();
  await world.settled(other.engine.stop());
  assert.ok(world.clock.monotonic() - startMs <= 10_000);
  assert.equal(world.rows().length, 10);
});

test("a store that is away is waited for, and nothing else happens", async () => {
  const world = new LandingWorld();
  const { engine, store, events } = await world.start();
  engine.assigned([0, 1]);
  world.write(0, 10);
  await world.landed();
  store.fault = () => "before";
  world.write(1, 10);
  await world.until(() => state(engine) === "DEGRADED");
  assert.match(engine.status().reason, /^store: /);
  store.fault = () => "none";
  await world.landed();
  await world.until(() => state(engine) === "RUNNING");
  const names = events.map(({ name }) => name);
  assert.equal(names.filter((name) => name === "landing.degraded").length, 1);
  await engine.stop();
});

test("every answer of the store may be lost", async () => {
  const world = new LandingWorld();
  let calls = 0;
  for (let round = 0; round < 4; round++) {
    world.write(0, 9);
    world.write(1, 9);
    const { engine, store } = await world.start();
    store.fault = () => ((calls++ * 7) % 5 === 0 ? "after" : "none");
    engine.assigned([0, 1]);
    await world.landed();
    await world.settled(engine.stop());
  }
});

test("an encoder that fails is tried again; one that breaks ends the landing", async () => {
  const world = new LandingWorld();
  world.write(0, 5);
  let fails = 2;
  const full = textFlushEncoder({
    beforeEncode() {
      fails -= 1;
      return fails >= 0 ? Promise.reject(new UnavailableError("disk full")) : Promise.resolve();
    },
  });
  const { engine } = await world.start({ encoder: full });
  engine.assigned([0]);
  await world.landed();
  await engine.stop();

  world.write(0, 5);
  const broken = textFlushEncoder({ beforeEncode: () => Promise.reject(new TypeError("a bug")) });
  const other = await world.start({ encoder: broken });
  other.engine.assigned([0]);
  await assert.rejects(world.settled(other.engine.done), TypeError);
});

test("flush lands at once; pause holds one partition; hints tell what is landed", async () => {
  const world = new LandingWorld();
  const hints: string[] = [];
  const { engine } = await world.start({
    limits: { intervalMs: 1_000_000, bufferBytesMax: 1_000_000, recordsMax: 1_000 },
    onLanded: (offsets) => hints.push(offsets.map((at) => `${at.partition}:${at.offset}`).join()),
  });
  engine.assigned([0, 1]);
  world.write(0, 4);
  await world.until(() => engine.status().partitions[0]?.readOffset === 4n);
  await world.settled(engine.flush(signal));
  assert.deepEqual(world.rows(), world.written.toSorted());
  assert.deepEqual(hints, ["0:4"]);
  assert.deepEqual(engine.pause([0]), [0]);
  world.write(0, 4);
  world.write(1, 4);
  await world.until(() => engine.status().partitions[1]?.readOffset === 4n);
  await world.settled(engine.flush(signal));
  assert.equal(world.rows().length, 8);
  assert.equal(engine.status().partitions[0]?.state, "paused");
  engine.resume([0]);
  await world.until(() => engine.status().partitions[0]?.readOffset === 8n);
  await world.settled(engine.flush(signal));
  await world.landed();
  await engine.stop();
});

test("rows are queryable when the catalog has followed their commit", async () => {
  const world = new LandingWorld();
  world.write(0, 4);
  const { engine, log } = await world.start();
  engine.assigned([0]);
  await world.landed();
  await world.until(() => engine.status().landed === 4n);
  const [before] = engine.status().partitions;
  assert.deepEqual([before?.landedOffset, before?.queryableOffset], [4n, 0n]);
  assert.ok(engine.hasUnseen);
  engine.visible(log.state.tip);
  assert.equal(engine.status().queryable, 4n);
  assert.equal(engine.status().partitions[0]?.queryableOffset, 4n);
  assert.ok(!engine.hasUnseen);
  await engine.stop();
});

test("whoever has partition 0 leads; a term begins when the one before has ended", async () => {
  const world = new LandingWorld();
  const steps: string[] = [];
  let end: () => void = () => undefined;
  const { engine } = await world.start({
    async lead(until) {
      steps.push("begins");
      await new Promise<void>((resolve) => {
        end = resolve;
      });
      steps.push(until.aborted ? "ends" : "goes on");
    },
  });
  engine.assigned([0, 1]);
  await world.until(() => steps.length === 1);
  await engine.revoked([0], signal);
  engine.assigned([0]);
  await world.pass(100);
  assert.deepEqual(steps, ["begins"]);
  end();
  await world.until(() => steps.length === 3);
  assert.deepEqual(steps, ["begins", "ends", "begins"]);
  const stopped = engine.stop();
  await world.pass(100);
  end();
  await world.settled(stopped);
});
