import assert from "node:assert/strict";
import { test } from "node:test";
import { REBALANCE_MS, SESSION_MS, TOPIC, World } from "./world.ts";

const protocols = ["consumer", "classic"] as const;

for (const protocol of protocols) {
  test(`${protocol}: members share evenly, and a leaver's partitions go on at once`, async () => {
    const world = new World({ seed: 1, member: { protocol } });
    const first = world.start();
    await world.clock.run(2_000);
    assert.equal(first.owns.size, 12);
    const [second, third] = [world.start(), world.start()];
    await world.clock.run(10_000);
    world.checkShared();
    assert.deepEqual(first.told, ["assigned 12", ...first.told.slice(1)]);
    assert.ok(!first.told.some((entry) => entry.startsWith("lost")), first.told.join());
    await world.leave(second);
    world.checkShared();
    await world.leave(third);
    world.checkShared();
    assert.equal(first.membership.status().protocol, protocol);
    await world.end();
  });

  test(`${protocol}: a slow revocation holds nobody's heartbeats, and is waited for`, async () => {
    const settleMs = () => 25_000;
    const world = new World({ seed: 2, member: { protocol }, settleMs });
    const first = world.start();
    await world.clock.run(2_000);
    const second = world.start();
    await world.clock.run(20_000);
    // Longer than a session: the first is still in, has all, and the second has nothing of its part.
    assert.equal(first.owns.size, 12);
    assert.equal(second.owns.size, 0);
    assert.equal(first.membership.status().state, "rebalancing");
    await world.clock.run(15_000);
    world.checkShared();
    assert.deepEqual(first.told, ["assigned 12", "revoked 6"]);
    await world.end();
  });

  test(`${protocol}: a revocation beyond the rebalance time-out costs everything`, async () => {
    let isStuck = true;
    const settleMs = () => (isStuck ? 10 * REBALANCE_MS : 0);
    const world = new World({ seed: 3, member: { protocol }, settleMs });
    const first = world.start();
    await world.clock.run(2_000);
    world.start();
    await world.clock.run(REBALANCE_MS - 2_000);
    assert.deepEqual(first.told, ["assigned 12", "revoked 6"]);
    isStuck = false;
    await world.clock.run(20_000);
    assert.equal(first.told[2], "lost 12");
    await world.clock.run(20_000);
    world.checkShared();
    await world.end();
  });

  test(`${protocol}: a process that was stopped beyond its session has nothing when it wakes`, async () => {
    const world = new World({ seed: 4, member: { protocol } });
    const [first, second] = [world.start(), world.start()];
    await world.clock.run(10_000);
    world.checkShared();
    first.process.stop();
    await world.clock.run(SESSION_MS + 5_000);
    assert.equal(second.owns.size, 12);
    assert.equal(first.owns.size, 6, "it cannot know");
    first.process.resume();
    // The first question is enough, before any timer had its turn.
    assert.equal(first.membership.owns(TOPIC, 0), false);
    assert.equal(first.owns.size, 0);
    await world.clock.run(10_000);
    world.checkShared();
    assert.deepEqual(
      first.events.map(({ name }) => name).filter((name) => name.endsWith("lost")),
      ["kafka.group.lost"],
    );
    await world.end();
  });

  test(`${protocol}: fenced, a member drops all and joins again`, async () => {
    const world = new World({ seed: 5, member: { protocol } });
    const [first] = [world.start(), world.start()];
    await world.clock.run(10_000);
    world.fence(first);
    await world.clock.run(3_000);
    assert.ok(first.told.includes("lost 6"), first.told.join());
    await world.clock.run(10_000);
    world.checkShared();
    await world.end();
  });

  test(`${protocol}: unreachable for less than a session changes nothing`, async () => {
    const world = new World({ seed: 6, member: { protocol } });
    const [first, second] = [world.start(), world.start()];
    await world.clock.run(10_000);
    world.coordinator.lossRate = 1;
    await world.clock.run(SESSION_MS - 3_000);
    world.coordinator.lossRate = 0;
    await world.clock.run(10_000);
    world.checkShared();
    for (const { told } of [first, second]) {
      assert.ok(!told.some((entry) => entry.startsWith("lost")), told.join());
    }
    await world.end();
  });

  test(`${protocol}: unreachable for a whole session, all is lost to the second`, async () => {
    const world = new World({ seed: 7, member: { protocol } });
    const worker = world.start();
    await world.clock.run(10_000);
    world.coordinator.lossRate = 1;
    await world.clock.run(SESSION_MS - 1_500);
    assert.equal(worker.owns.size, 12);
    await world.clock.run(1_500);
    assert.equal(worker.owns.size, 0);
    world.coordinator.lossRate = 0;
    await world.clock.run(15_000);
    world.checkShared();
    await world.end();
  });

  test(`${protocol}: added partitions are shared out within five seconds`, async () => {
    const world = new World({ seed: 8, member: { protocol } });
    world.start();
    world.start();
    await world.clock.run(10_000);
    world.coordinator.topics.set(TOPIC, 20);
    await world.clock.run(5_000);
    world.checkShared();
    await world.end();
  });

  test(`${protocol}: offsets are committed as a member, and a failure is told once`, async () => {
    const world = new World({ seed: 9, member: { protocol } });
    const { membership, events } = world.start();
    await world.clock.run(10_000);
    const commit = async (partition: number, offset: bigint) => {
      const done = membership.commit([{ topic: TOPIC, partition, offset }]);
      await world.clock.run(1_000);
      await done;
    };
    await commit(0, 5n);
    await commit(99, 7n);
    assert.deepEqual([...world.coordinator.committed], [[`${TOPIC}/0`, 5n]]);
    const levels = () =>
      events.filter(({ name }) => name === "kafka.group.hint_failed").map(({ level }) => level);
    world.coordinator.lossRate = 1;
    await commit(0, 6n);
    await commit(0, 7n);
    assert.deepEqual(levels(), ["warn", "debug"]);
    world.coordinator.lossRate = 0;
    await commit(0, 8n);
    world.coordinator.lossRate = 1;
    await commit(0, 9n);
    assert.deepEqual(levels(), ["warn", "debug", "warn"]);
    await world.end();
  });
}

test("auto takes the classic protocol where the broker has no other", async () => {
  const world = new World({ seed: 10, hasConsumerProtocol: false });
  const { membership, events } = world.start();
  await world.clock.run(5_000);
  world.checkShared();
  assert.equal(membership.status().protocol, "classic");
  assert.ok(events.some(({ name }) => name === "kafka.group.fell_back"));
  await world.end();
});

test("consumer, forced, waits and says why where the broker does not have it", async () => {
  const world = new World({
    seed: 11,
    hasConsumerProtocol: false,
    member: { protocol: "consumer" },
  });
  const { membership } = world.start();
  await world.clock.run(30_000);
  assert.equal(membership.status().state, "joining");
  assert.match(membership.status().problem?.message ?? "", /ConsumerGroupHeartbeat/);
  await world.end();
});
