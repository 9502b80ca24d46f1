import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { countRecords, ensureTopic, readOffsets } from "@hybridge/kafka";
import { produceBatches, randomRecords, seededRandom } from "@hybridge/kafka/testing";
import { startPair, within } from "./harness.ts";
import { cutOff, newestSegment, readSegment } from "./log-file.ts";
import type { MirrorProcess } from "./mirror-process.ts";

// The source loses records that it had acknowledged and that the mirror had read.

const SEED = 31;
const BATCHES = 10;
const RECORDS = 10;
const KEPT = 6;
const PATIENCE_MS = 30_000;

const pair = await startPair("mirror-loss-it");
const { brokers, dir, source, target, start, untilMirrored } = pair;
after(() => pair[Symbol.asyncDispose]());

const some = (random: () => number, batches: number) =>
  Array.from({ length: batches }, () => randomRecords(random, RECORDS));

/** Waits for the end of a mirror that has to stop by itself. */
async function assertStops(mirror: MirrorProcess): Promise<void> {
  const late = setTimeout(() => mirror.kill("SIGKILL"), PATIENCE_MS);
  const { code } = await mirror.ended;
  clearTimeout(late);
  assert.equal(code, 1, mirror.log());
}

/** Kills the source, takes the newest batches off its disk, and starts it in a new leader epoch. */
async function loseTail(topic: string): Promise<void> {
  await brokers.source.kill("SIGKILL");
  const file = newestSegment(join(dir, "source"), topic);
  const lost = readSegment(file)[KEPT];
  assert.ok(lost, "there is something to lose");
  cutOff(file, lost.at);
  await brokers.source.restart();
  const end = (await readOffsets(source, topic, within())).get(0)?.end;
  assert.equal(
    end,
    BigInt(KEPT * RECORDS),
    "the source lost what was cut off, no more and no less",
  );
}

test("a partition stops when the source lost what had been mirrored, also if others stand there now", async () => {
  const topic = "diverged";
  const at = { topic, partition: 0 };
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED);
  await produceBatches(source, at, some(random, BATCHES), within());
  await using mirror = start(topic);
  await untilMirrored(mirror, topic);
  // Asleep, it cannot see that the source ends before its position: when it wakes, that is past,
  // and only the epochs tell.
  mirror.kill("SIGSTOP");
  await loseTail(topic);
  await produceBatches(source, at, some(random, BATCHES), within());
  mirror.kill("SIGCONT");
  await assertStops(mirror);
  const [failed] = mirror.events().filter(({ event }) => event === "mirror.partition_failed");
  assert.match(JSON.stringify(failed), /KAFKA_LOG_DIVERGED/);
  // Nothing of the other history was put behind what stands there.
  assert.equal(await countRecords(target, topic, within()), BigInt(BATCHES * RECORDS));
});

test("a source that ends before the mirror's position is noticed too", async () => {
  const topic = "shortened";
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED + 1);
  await produceBatches(source, { topic, partition: 0 }, some(random, BATCHES), within());
  await using mirror = start(topic);
  await untilMirrored(mirror, topic);
  await loseTail(topic);
  await assertStops(mirror);
  assert.match(mirror.log(), /KAFKA_LOG_DIVERGED/);
});

test("a mirror that was down while the source lost its tail stops when it starts", async () => {
  const topic = "while-down";
  const at = { topic, partition: 0 };
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED + 2);
  await produceBatches(source, at, some(random, BATCHES), within());
  const before = start(topic);
  await untilMirrored(before, topic);
  before.kill("SIGTERM");
  await before.ended;
  await loseTail(topic);
  await produceBatches(source, at, some(random, BATCHES), within());
  // By its offsets alone the source looks as if it had only grown.
  await using mirror = start(topic);
  await assertStops(mirror);
  assert.match(mirror.log(), /KAFKA_LOG_DIVERGED|MIRROR_\w*DIVERGED/);
  assert.equal(await countRecords(target, topic, within()), BigInt(BATCHES * RECORDS));
  await before[Symbol.asyncDispose]();
});
