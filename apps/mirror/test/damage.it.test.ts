import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { countRecords, ensureTopic, openReader, type KafkaRecord } from "@hybridge/kafka";
import {
  compareTopics,
  produceBatches,
  randomRecords,
  seededRandom,
} from "@hybridge/kafka/testing";
import { startPair, within } from "./harness.ts";
import { damage, newestSegment, readSegment, type StoredBatch } from "./log-file.ts";

// The source's disk turns bits around in batches that it acknowledged long ago. The broker hands
// them out without a look: it is for the mirror to see that their checksum no longer fits.

const SEED = 53;
const BATCHES = 12;

const pair = await startPair("mirror-damage-it");
const { dir, source, target, start, untilMirrored } = pair;
after(() => pair[Symbol.asyncDispose]());

const cases = [
  { compression: "none", damaged: [4] },
  { compression: "lz4", damaged: [0, 5, 6, BATCHES - 1] },
  { compression: "gzip", damaged: [3] },
  { compression: "zstd", damaged: [3] },
] as const;

for (const { compression, damaged } of cases) {
  test(`damaged batches are put aside whole, their neighbours are not (${compression}: ${damaged.join(", ")})`, async () => {
    const topic = `damaged-${compression}`;
    const deadLetters = `${topic}-dead`;
    const random = seededRandom(SEED);
    const lists = Array.from({ length: BATCHES }, () => randomRecords(random, 20));
    const stored = await produceTwice(topic, compression, lists, damaged);

    await using mirror = start(topic, { HYBRIDGE_DEAD_LETTER_TOPIC: deadLetters });
    await untilMirrored(mirror, topic);
    await compareWithSpared(topic);
    const letters = await readAll(deadLetters, damaged.length);
    for (const [index, letter] of letters.entries()) assertIsBatch(letter, stored[index]);
    const events = mirror.events().filter(({ event }) => event === "mirror.dead_letter");
    assert.deepEqual(
      events.map((event) => event["sourceOffset"]),
      stored.map(({ batch }) => String(batch.baseOffset)),
    );

    // What comes later goes on, and a restart does not put anything aside again.
    mirror.kill("SIGKILL");
    await mirror.ended;
    const more = [randomRecords(random, 5), randomRecords(random, 5)];
    for (const name of [topic, sparedOf(topic)]) {
      await produceBatches(source, { topic: name, partition: 0, compression }, more, within());
    }
    await using again = start(topic, { HYBRIDGE_DEAD_LETTER_TOPIC: deadLetters });
    await untilMirrored(again, topic);
    await compareWithSpared(topic);
    assert.equal(await countRecords(target, deadLetters, within()), BigInt(damaged.length));
  });
}

/** A topic with only those batches that are not damaged: what the target is to hold. */
const sparedOf = (topic: string) => `spared-by-${topic}`;

async function compareWithSpared(topic: string): Promise<void> {
  const spared = { cluster: source, topic: sparedOf(topic) };
  await compareTopics(spared, { cluster: target, topic }, within());
}

/** Fills both topics and damages some batches of the first on the disk; those, as they are now. */
async function produceTwice(
  topic: string,
  compression: "none" | "gzip" | "lz4" | "zstd",
  lists: readonly ReturnType<typeof randomRecords>[],
  damaged: readonly number[],
): Promise<StoredBatch[]> {
  for (const name of [topic, sparedOf(topic)]) {
    await ensureTopic(source, { topic: name, partitions: 1 }, within());
  }
  await produceBatches(source, { topic, partition: 0, compression }, lists, within());
  const spared = lists.filter((_, index) => !damaged.includes(index));
  const there = { topic: sparedOf(topic), partition: 0, compression };
  await produceBatches(source, there, spared, within());
  const file = newestSegment(join(dir, "source"), topic);
  const before = readSegment(file);
  for (const index of damaged) {
    const batch = before[index];
    assert.ok(batch, `batch ${index} is on the disk`);
    damage(file, batch);
  }
  return readSegment(file).filter((_, index) => damaged.includes(index));
}

function assertIsBatch(letter: KafkaRecord, stored: StoredBatch | undefined): void {
  const header = (name: string) =>
    letter.headers.find(([candidate]) => candidate === name)?.[1]?.toString();
  assert.equal(header("hybridge-source-offset"), String(stored?.batch.baseOffset));
  assert.equal(header("hybridge-source-last-offset"), String(stored?.batch.lastOffset));
  assert.equal(letter.key, null);
  assert.deepEqual(letter.value, stored?.batch.bytes);
}

async function readAll(topic: string, count: number): Promise<KafkaRecord[]> {
  const found: KafkaRecord[] = [];
  const done = new AbortController();
  for await (const { records } of openReader({
    cluster: target,
    topic,
    positions: new Map([[0, "earliest"]]),
    signal: AbortSignal.any([within(), done.signal]),
  })) {
    found.push(...records);
    if (found.length >= count) done.abort();
  }
  assert.equal(found.length, count);
  return found;
}
