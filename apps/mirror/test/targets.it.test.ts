import assert from "node:assert/strict";
import { after, test } from "node:test";
import { countRecords, ensureTopic, type RecordToSend } from "@hybridge/kafka";
import { produceBatches, randomRecords, seededRandom } from "@hybridge/kafka/testing";
import { deleteTopic } from "./delete-topic.ts";
import { startPair, within } from "./harness.ts";
import type { MirrorProcess } from "./mirror-process.ts";

// Target topics that are not as the mirror would make them, or not there any more.

const SEED = 97;
const pair = await startPair("mirror-targets-it", {
  // So that records of random times are no matter of these tests.
  source: { settings: { "log.message.timestamp.after.max.ms": "9223372036854775807" } },
});
const { source, target, start, fill, untilMirrored, assertSame } = pair;
after(() => pair[Symbol.asyncDispose]());

const named = (mirror: MirrorProcess, name: string) =>
  mirror.events().filter(({ event }) => event === name);

test("a target that would change the times is told and refused until it is put right", async () => {
  const topic = "stamping";
  const config = { "message.timestamp.type": "LogAppendTime" };
  await ensureTopic(target, { topic, partitions: 1, config }, within());
  await ensureTopic(source, { topic, partitions: 1 }, within());
  await fill(topic, seededRandom(SEED + 1));
  await using mirror = start(topic);
  const status = await mirror.until(({ state }) => state === "DEGRADED");
  assert.match(status?.reason ?? "", /LogAppendTime.*CreateTime/);
  assert.match(mirror.log(), /MIRROR_TARGET_UNFIT/);
  assert.equal(await countRecords(target, topic, within()), 0n);
  await deleteTopic(target, topic, within());
  await untilMirrored(mirror, topic);
  await assertSame(topic);
});

test("limits of an existing target are told before the first record; refused kinds cost no take-over", async () => {
  const topic = "limited";
  const config = {
    "message.timestamp.before.max.ms": "3600000",
    "max.message.bytes": "200000",
    "cleanup.policy": "compact",
  };
  await ensureTopic(target, { topic, partitions: 1, config }, within());
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const record = (index: number): RecordToSend => ({
    // Every second one is refused for its age, every third for want of a key.
    key: index % 3 === 0 ? null : Buffer.from(`key-${index}`),
    value: Buffer.from(String(index)),
    headers: [],
    timestampMs: index % 2 === 0 ? 1_000 : Date.now(),
  });
  const lists = Array.from({ length: 30 }, (_, list) =>
    Array.from({ length: 20 }, (_, index) => record(list * 20 + index)),
  );
  await produceBatches(source, { topic, partition: 0 }, lists, within());
  await using mirror = start(topic, { HYBRIDGE_DEAD_LETTER_TOPIC: "limited-dead" });
  await untilMirrored(mirror, topic);
  const told = named(mirror, "mirror.target_settings").map(({ setting }) => setting);
  // The last one nobody has set: it is what Kafka 4 does by default.
  const expected = [...Object.keys(config), "message.timestamp.after.max.ms"];
  assert.deepEqual(told.sort(), expected.sort());
  const first = mirror.events().findIndex(({ event }) => event === "mirror.partition_started");
  const last = mirror.events().findLastIndex(({ event }) => event === "mirror.target_settings");
  assert.ok(last < first, "told before the partition began");
  const good = lists.flat().filter(({ key, timestampMs }) => key !== null && timestampMs > 1_000);
  assert.equal(await countRecords(target, topic, within()), BigInt(good.length));
  const dead = BigInt(600 - good.length);
  assert.equal(await countRecords(target, "limited-dead", within()), dead);
  assert.equal(named(mirror, "mirror.partition_started").length, 1, "one take-over");
});

test("a deleted target is told, and made again only if so set", async () => {
  const topic = "deleted";
  await ensureTopic(source, { topic, partitions: 2 }, within());
  const random = seededRandom(SEED + 2);
  await fill(topic, random);
  await using mirror = start(topic);
  await untilMirrored(mirror, topic);
  // Nothing is sent: nobody would notice by chance.
  await deleteTopic(target, topic, within());
  assert.equal((await mirror.ended).code, 1, mirror.log());
  assert.equal(named(mirror, "mirror.target_deleted").length, 2);
  assert.match(mirror.log(), /MIRROR_TARGET_DELETED.*HYBRIDGE_ON_TARGET_DELETION/);
  await using again = start(topic);
  assert.equal((await again.ended).code, 1, again.log());
  assert.match(again.log(), /MIRROR_TARGET_DELETED/);
  await fill(topic, random);
  await using copying = start(topic, { HYBRIDGE_ON_TARGET_DELETION: "copy" });
  await untilMirrored(copying, topic);
  assert.equal(named(copying, "mirror.target_deleted").length, 2);
  await assertSame(topic);
});

test("a target that was deleted and made again under a stream is told, and no foreign writer", async () => {
  const topic = "swapped";
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED + 3);
  await fill(topic, random);
  await using mirror = start(topic);
  await untilMirrored(mirror, topic);
  const stop = new AbortController();
  const filling = (async () => {
    while (!stop.signal.aborted) {
      await produceBatches(source, { topic, partition: 0 }, [randomRecords(random, 5)], within());
    }
  })();
  await deleteTopic(target, topic, within());
  await ensureTopic(target, { topic, partitions: 1 }, within());
  const ended = await mirror.ended;
  stop.abort();
  await filling;
  assert.equal(ended.code, 1, mirror.log());
  assert.match(mirror.log(), /MIRROR_TARGET_DELETED/);
  assert.equal(named(mirror, "mirror.foreign_writer").length, 0);
  const settings = { HYBRIDGE_ON_TARGET_DELETION: "copy" };
  await using copying = start(topic, settings);
  await untilMirrored(copying, topic);
  copying.kill("SIGKILL");
  await copying.ended;
  await fill(topic, random);
  await using last = start(topic, settings);
  await untilMirrored(last, topic);
  assert.equal(named(last, "mirror.target_diverged").length, 0);
});
