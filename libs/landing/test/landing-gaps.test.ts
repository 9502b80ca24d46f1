import assert from "node:assert/strict";
import { test } from "node:test";
import { LandingWorld } from "./landing-world.ts";
import type { LandingEngine } from "../src/index.ts";

const state = (engine: LandingEngine) => engine.status().state;

test("records that retention took are a gap of the log, told exactly", async () => {
  const world = new LandingWorld();
  world.write(0, 10);
  world.write(1, 10);
  const { engine, events } = await world.start();
  engine.assigned([0, 1]);
  await world.landed();
  engine.pause([0]);
  world.topic.append(0, ["gone", "gone", "gone"]);
  world.topic.deleteBelow(0, 13n);
  world.write(0, 5);
  assert.deepEqual(engine.resume([0]), [0]);
  await world.landed();
  assert.deepEqual(await world.gaps(), ["0 10..13 retention"]);
  const told = events.find(({ name }) => name === "landing.gap");
  assert.match(told?.message ?? "", /t\/0: offsets 10\.\.12 are not landed/);
  assert.equal(state(engine), "RUNNING");
  await engine.stop();
});

test("a gap after records that wait: both are landed, and it goes on behind", async () => {
  const world = new LandingWorld({ batchMax: 3 });
  world.write(0, 10);
  world.topic.damage(0, 10n, 12n);
  world.topic.append(0, ["damaged", "damaged"]);
  world.write(0, 10);
  const { engine } = await world.start({
    policies: { gap: "continue", recreation: "stop", corruption: "skip" },
  });
  engine.assigned([0]);
  await world.landed();
  assert.deepEqual(await world.gaps(), ["0 10..12 corrupt"]);
  await engine.stop();
});

test("a log that begins later than at 0 is no loss", async () => {
  const world = new LandingWorld();
  world.topic.append(0, ["gone", "gone"]);
  world.topic.deleteBelow(0, 2n);
  world.write(0, 5);
  const { engine } = await world.start({
    policies: { gap: "stop", recreation: "stop", corruption: "stop" },
  });
  engine.assigned([0]);
  await world.landed();
  assert.deepEqual(await world.gaps(), ["0 0..2 start"]);
  assert.equal(state(engine), "RUNNING");
  await engine.stop();
});

test("with policy stop a gap stops its partition alone until it is resumed", async () => {
  const world = new LandingWorld();
  world.write(0, 4);
  const { engine } = await world.start({
    policies: { gap: "stop", recreation: "stop", corruption: "stop" },
  });
  engine.assigned([0, 1]);
  await world.landed();
  engine.pause([0]);
  world.topic.append(0, ["gone", "gone"]);
  world.topic.deleteBelow(0, 6n);
  engine.resume([0]);
  await world.until(() => state(engine) === "DEGRADED");
  world.write(0, 5);
  world.write(1, 5);
  await world.until(() => engine.status().partitions[1]?.landedOffset === 5n);
  assert.match(engine.status().partitions[0]?.reason ?? "", /deleted 4\.\.5/);
  assert.deepEqual(engine.resume([0]), [0]);
  await world.landed();
  assert.equal(state(engine), "RUNNING");
  await engine.stop();
});

test("a damaged batch stops its partition alone", async () => {
  const world = new LandingWorld();
  world.write(0, 10);
  world.topic.damage(0, 10n, 12n);
  world.topic.append(0, ["damaged", "damaged"]);
  const { engine } = await world.start();
  engine.assigned([0, 1]);
  world.write(1, 10);
  await world.landed();
  await world.until(() => engine.status().partitions[0]?.state === "stopped");
  assert.equal(state(engine), "DEGRADED");
  await engine.stop();
});

test("a recreated topic: stop, or land the new one from its beginning", async () => {
  for (const recreation of ["stop", "continue"] as const) {
    const world = new LandingWorld();
    world.write(0, 10);
    const policies = { gap: "continue", recreation, corruption: "stop" } as const;
    const { engine } = await world.start({ policies });
    engine.assigned([0, 1]);
    await world.landed();
    world.recreate("B");
    engine.topicIs({ cluster: "c", topic: "t", topicId: "B" });
    world.write(0, 7);
    if (recreation === "stop") {
      await world.until(() => state(engine) === "DEGRADED");
      assert.equal(world.rows().length, 10);
      engine.resume([0, 1]);
    }
    await world.landed();
    await engine.stop();
  }
});

test("a topic that was recreated while nothing ran is known by what the log has", async () => {
  const world = new LandingWorld();
  world.write(0, 10);
  const before = await world.start();
  before.engine.assigned([0]);
  await world.landed();
  await before.engine.stop();
  world.recreate("B");
  world.write(0, 15);
  const { engine } = await world.start();
  engine.assigned([0]);
  await world.until(() => state(engine) === "DEGRADED");
  assert.match(engine.status().reason, /deleted and made again/);
  engine.resume([0]);
  await world.landed();
  await engine.stop();
});

test("a source that lost its end is told, and goes on when it has grown past it", async () => {
  const world = new LandingWorld();
  world.write(0, 10);
  const { engine } = await world.start();
  engine.assigned([0]);
  await world.landed();
  world.topic.truncate(0, 7n);
  engine.pause([0]);
  engine.resume([0]);
  await world.until(() => state(engine) === "DEGRADED");
  assert.match(engine.status().reason, /ends at 7, and 10 is to be read next/);
  world.topic.append(0, ["never", "never", "never"]);
  world.write(0, 5);
  await world.landed();
  assert.equal(state(engine), "RUNNING");
  await engine.stop();
});
