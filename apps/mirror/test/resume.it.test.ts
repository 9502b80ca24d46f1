import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { countRecords, ensureTopic, type ClusterOptions, type RecordToSend } from "@hybridge/kafka";
import { Cluster, readBatches } from "@hybridge/kafka/raw";
import { produceBatches, randomRecords, seededRandom, type Random } from "@hybridge/kafka/testing";
import { startPair, within, type Pair } from "./harness.ts";

// A mirror is killed before it has written down any position. Until it comes back, the cleaner of
// one of the brokers takes records out of what it has to compare.

const SEED = 31;
const CLEANING = {
  "log.cleaner.backoff.ms": "200",
  "log.cleaner.min.cleanable.ratio": "0.01",
  "log.initial.task.delay.ms": "500",
};
const COMPACTED = { "cleanup.policy": "compact", "segment.bytes": "1048576" };

let pair: Pair;

before(async () => {
  const broker = { settings: CLEANING };
  pair = await startPair("mirror-resume", { source: broker, target: broker });
});

after(async () => {
  await pair[Symbol.asyncDispose]();
});

/** Few keys, so that the cleaner finds most records superseded. */
function keyed(random: Random, count: number): RecordToSend[] {
  return randomRecords(random, count).map((record) => ({
    ...record,
    key: Buffer.from(`key-${Math.floor(random() * 40)}`),
    value: record.value ?? Buffer.from("v"),
  }));
}

/** Large records of one key: the segment before them is closed, and then cleaned. */
async function closeSegments(cluster: ClusterOptions, topic: string): Promise<void> {
  const value = Buffer.alloc(600_000);
  const filler = { key: Buffer.from("filler"), value, headers: [], timestampMs: Date.now() };
  for (let count = 0; count < 3; count++) {
    await produceBatches(cluster, { topic, partition: 0 }, [[filler]], within());
  }
}

async function untilCleaned(cluster: ClusterOptions, topic: string): Promise<void> {
  await using client = new Cluster(cluster);
  const at = { topic, partition: 0, from: 0n, committedOnly: true };
  for (const signal = within(); ;) {
    signal.throwIfAborted();
    for await (const batch of readBatches(client, at, signal)) {
      if (batch.count > 0 && !batch.isDense) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

for (const side of ["source", "target"] as const) {
  test(`records that the ${side}'s cleaner removes meanwhile are no divergence`, async () => {
    const topic = `cleaned-${side}`;
    const config = (here: string) => ({
      ...(here === side ? COMPACTED : { "segment.bytes": "1048576" }),
    });
    for (const here of ["source", "target"] as const) {
      await ensureTopic(pair[here], { topic, partitions: 1, config: config(here) }, within());
    }
    const random = seededRandom(SEED);
    const at = { topic, partition: 0, compression: "lz4" } as const;
    const lists = Array.from({ length: 60 }, () => keyed(random, 20));
    await produceBatches(pair.source, at, lists, within());
    await closeSegments(pair.source, topic);
    const unwritten = { HYBRIDGE_POSITIONS_MS: "60000" };
    const killed = pair.start(topic, unwritten);
    await pair.untilMirrored(killed, topic);
    killed.kill("SIGKILL");
    await killed[Symbol.asyncDispose]();
    await untilCleaned(pair[side], topic);
    const before = await countRecords(pair.target, topic, within());
    await produceBatches(pair.source, at, [keyed(random, 30)], within());
    await using again = pair.start(topic);
    await pair.untilMirrored(again, topic);
    const events = again.events().map(({ event }) => event);
    assert.ok(events.includes("mirror.tail_recovered"), events.join(" "));
    await again.until(({ partitions }) => partitions[0]?.lag === 0n);
    const now = await countRecords(pair.target, topic, within());
    // The target's cleaner may go on; records only ever come from what was appended now.
    assert.ok(now <= before + 30n, `${before} before, ${now} after`);
    if (side === "source") assert.equal(now, before + 30n);
  });
}

test("an owner that renews its ownership while records stream loses and doubles nothing", async () => {
  const topic = "renewed";
  await ensureTopic(pair.source, { topic, partitions: 2 }, within());
  const random = seededRandom(SEED + 1);
  await using mirror = pair.start(topic, { HYBRIDGE_RENEW_MS: "1000" });
  const renewals = () =>
    mirror.events().filter(({ event }) => event === "mirror.partition_started").length;
  for (const signal = within(); renewals() < 8;) {
    signal.throwIfAborted();
    await pair.fill(topic, random, 4);
  }
  await pair.untilMirrored(mirror, topic);
  await pair.assertSame(topic);
  assert.ok(!mirror.events().some(({ event }) => event === "mirror.partition_interrupted"));
});
