import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { countRecords, ensureTopic, type ClusterOptions, type RecordToSend } from "@hybridge/kafka";
import { Cluster, readBatches, scanRecords, type Batch } from "@hybridge/kafka/raw";
import { produceBatches, randomRecords, seededRandom } from "@hybridge/kafka/testing";
import { cacheDir } from "@hybridge/local";
import { readWithConsoleConsumer } from "./console-consumer.ts";
import { startPair, within } from "./harness.ts";

// What a topic becomes in operation: cleaned, cut at its start, refused in part.

const SEED = 77;
const run = promisify(execFile);

const pair = await startPair("mirror-topics-it", {
  source: {
    settings: {
      "log.cleaner.backoff.ms": "200",
      "log.cleaner.min.cleanable.ratio": "0.01",
      "log.initial.task.delay.ms": "500",
    },
  },
});
const { brokers, dir, source, target, start, untilMirrored, assertSame } = pair;
after(() => pair[Symbol.asyncDispose]());

async function batchesIn(options: ClusterOptions, topic: string): Promise<Batch[]> {
  await using cluster = new Cluster(options);
  const at = { topic, partition: 0, from: 0n, committedOnly: true };
  const batches: Batch[] = [];
  for await (const batch of readBatches(cluster, at, within())) batches.push(batch);
  return batches;
}

/** What compaction can leave in a log; each has to be carried across in its own way. */
const TRACES = ["gap at the head", "gap inside", "gap at the tail", "delete horizon"] as const;

function tracesOf(batch: Batch): Set<(typeof TRACES)[number]> {
  const traces = new Set<(typeof TRACES)[number]>();
  if (batch.hasDeleteHorizon) traces.add("delete horizon");
  const offsets = scanRecords(batch).map(({ offset }) => offset);
  const [first, last] = [offsets[0], offsets.at(-1)];
  if (first === undefined || last === undefined) return traces;
  if (first > batch.baseOffset) traces.add("gap at the head");
  if (last < batch.lastOffset) traces.add("gap at the tail");
  if (last - first >= BigInt(offsets.length)) traces.add("gap inside");
  return traces;
}

/** Waits until the cleaner has left every kind of trace: the test is about them. */
async function untilCleaned(topic: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const seen = new Set((await batchesIn(source, topic)).flatMap((batch) => [...tracesOf(batch)]));
    const missing = TRACES.filter((trace) => !seen.has(trace));
    if (missing.length === 0) return;
    assert.ok(Date.now() < deadline, `the cleaner left no ${missing.join(", no ")}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Records of few keys, so that the cleaner finds most of them superseded; some are tombstones. */
function keyed(random: () => number, count: number): RecordToSend[] {
  return randomRecords(random, count).map((record) => ({
    ...record,
    key: Buffer.from(`key-${Math.floor(random() * 60)}`),
    value: random() < 0.2 ? null : record.value,
  }));
}

for (const compression of ["none", "lz4"] as const) {
  test(`a compacted topic crosses with its gaps closed and nothing skipped (${compression})`, async () => {
    const topic = `compacted-${compression}`;
    const config = { "cleanup.policy": "compact", "segment.bytes": "1048576" };
    await ensureTopic(source, { topic, partitions: 1, config }, within());
    // The target keeps everything, so that it can be compared.
    await ensureTopic(target, { topic, partitions: 1 }, within());
    const random = seededRandom(SEED);
    const at = { topic, partition: 0, compression };
    const lists = Array.from({ length: 120 }, () => keyed(random, 20));
    await produceBatches(source, at, lists, within());
    // A new segment begins; only those before it are cleaned.
    const filler = { key: Buffer.from("f"), value: Buffer.alloc(600_000), headers: [] };
    for (let count = 0; count < 4; count++) {
      await produceBatches(
        source,
        { topic, partition: 0 },
        [[{ ...filler, timestampMs: Date.now() }]],
        within(),
      );
    }
    await untilCleaned(topic);
    const mirror = start(topic);
    await untilMirrored(mirror, topic);
    const { records: count } = await assertSame(topic);
    // Left set, the target's own cleaner would take the base timestamp for a deadline.
    const horizons = (await batchesIn(target, topic)).filter((batch) => batch.hasDeleteHorizon);
    assert.equal(horizons.length, 0);
    // The Java consumer skips offsets below the one it expects: a batch with wrong deltas would
    // lose records here, without an error.
    const seen = await readWithConsoleConsumer(brokers.target, { topic, partition: 0 }, count);
    assert.equal(seen.count, count);
    // Resuming inside: the positions are there, the end is compared record by record.
    mirror.kill("SIGKILL");
    await mirror.ended;
    await produceBatches(source, at, [keyed(random, 30)], within());
    await using again = start(topic);
    await untilMirrored(again, topic);
    await again.until(({ partitions }) => partitions[0]?.lag === 0n);
    assert.equal(Number(await countRecords(target, topic, within())), count + 30);
    await mirror[Symbol.asyncDispose]();
  });
}

test("records deleted at the start stay away, also from the middle of a batch", async () => {
  const topic = "deleted";
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED + 1);
  const at = { topic, partition: 0, compression: "zstd" as const };
  await produceBatches(
    source,
    at,
    [randomRecords(random, 40), randomRecords(random, 40)],
    within(),
  );
  await deleteBefore(topic, 55);
  await using mirror = start(topic);
  await untilMirrored(mirror, topic);
  assert.equal((await assertSame(topic)).records, 25);
});

test("records deleted before they were mirrored are reported with their exact range", async () => {
  const topic = "truncated";
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED + 2);
  const at = { topic, partition: 0 };
  await produceBatches(source, at, [randomRecords(random, 40)], within());
  const first = start(topic);
  await untilMirrored(first, topic);
  first.kill("SIGTERM");
  await first.ended;
  await produceBatches(
    source,
    at,
    [randomRecords(random, 40), randomRecords(random, 40)],
    within(),
  );
  await deleteBefore(topic, 90);
  await using stopping = start(topic, { HYBRIDGE_ON_TRUNCATION: "stop" });
  assert.equal((await stopping.ended).code, 1);
  assert.match(stopping.log(), /50 offsets were deleted before they were read/);
  await using second = start(topic);
  await untilMirrored(second, topic);
  const [event] = second.events().filter(({ event: name }) => name === "mirror.source_truncated");
  assert.deepEqual([event?.["firstOffset"], event?.["lastOffset"]], ["40", "89"]);
  assert.equal(await countRecords(target, topic, within()), 70n);
  await first[Symbol.asyncDispose]();
});

test("a record that the target refuses is put aside, its neighbours are not", async () => {
  const topic = "keyless";
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const config = { "cleanup.policy": "compact" };
  await ensureTopic(target, { topic, partitions: 1, config }, within());
  const record = (key: string | null, value: string) => ({
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value),
    headers: [],
    timestampMs: Date.now(),
  });
  const lists = [
    [record("a", "1"), record(null, "2"), record("c", "3")],
    [record("d", "4"), record("e", "5")],
  ];
  await produceBatches(source, { topic, partition: 0 }, lists, within());
  await using mirror = start(topic, { HYBRIDGE_DEAD_LETTER_TOPIC: "keyless-dead" });
  await untilMirrored(mirror, topic);
  assert.equal(await countRecords(target, topic, within()), 4n);
  assert.equal(await countRecords(target, "keyless-dead", within()), 1n);
  const [letter] = mirror.events().filter(({ event }) => event === "mirror.dead_letter");
  assert.equal(letter?.["sourceOffset"], "1");
});

test("a foreign writer in the target is reported and stops the partition", async () => {
  const topic = "foreign";
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED + 3);
  const at = { topic, partition: 0 };
  await produceBatches(source, at, [randomRecords(random, 10)], within());
  await using mirror = start(topic);
  await untilMirrored(mirror, topic);
  await produceBatches(target, at, [randomRecords(random, 1)], within());
  await produceBatches(source, at, [randomRecords(random, 10)], within());
  assert.equal((await mirror.ended).code, 1);
  assert.match(mirror.log(), /KAFKA_FOREIGN_WRITER/);
});

async function deleteBefore(topic: string, offset: number): Promise<void> {
  const file = join(dir, "delete.json");
  writeFileSync(
    file,
    JSON.stringify({ partitions: [{ topic, partition: 0, offset }], version: 1 }),
  );
  await run("java", [
    "-Xmx128m",
    ...["-cp", join(cacheDir(), "components/kafka/*")],
    "org.apache.kafka.tools.DeleteRecordsCommand",
    ...["--bootstrap-server", source.bootstrap, "--offset-json-file", file],
  ]);
}
