import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { readOffsets } from "@hybridge/kafka";
import {
  compareTopics,
  produceBatches,
  randomRecords,
  seededRandom,
} from "@hybridge/kafka/testing";
import { apiKeys } from "../support/proxy.ts";
import { startClusters } from "./mirror/clusters.ts";
import { sleep } from "./mirror/faults.ts";
import { startMirrorService } from "./mirror/service.ts";
import { hugeOffsets, hugeRecord, makeTopics } from "./mirror/workload.ts";

const SEED = 91;
const PATIENCE_MS = 30_000;

const clusters = await startClusters();
const { source, target } = clusters;
after(() => clusters[Symbol.asyncDispose]());

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "it did not come to that");
    await sleep(5);
  }
}

/**
 * The worst moment to fall asleep: in the middle of taking over again, with a request to the
 * coordinator whose outcome is unknown. Meanwhile somebody else owns the partitions and puts
 * records aside, of which the sleeper knows nothing.
 */
test("an owner that falls asleep while it recovers neither takes partitions back nor stops them", async () => {
  const signal = AbortSignal.timeout(120_000);
  const topic = await makeTopics(source.direct, target.direct, SEED, signal);
  const random = seededRandom(SEED);
  const fill = async (...more: ReturnType<typeof randomRecords>) => {
    for (let partition = 0; partition < 3; partition++) {
      const lists = [randomRecords(random, 10), more, randomRecords(random, 10)];
      const batches = lists.filter(({ length }) => length > 0);
      await produceBatches(source.direct, { topic, partition }, batches, signal);
    }
  };
  const untilSame = async () => {
    const leftOut = await hugeOffsets(source.direct, topic, signal);
    const [from, to] = [source, target].map(({ direct }) => ({ cluster: direct, topic }));
    assert.ok(from && to);
    for (const deadline = Date.now() + PATIENCE_MS; ;) {
      try {
        return await compareTopics(from, to, signal, leftOut);
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(250);
      }
    }
  };
  const log = (name: string) => join(clusters.dir, `${topic}-${name}.log`);
  const start = (name: string) =>
    startMirrorService(
      {
        HYBRIDGE_SOURCE_BOOTSTRAP: source.proxied,
        HYBRIDGE_TARGET_BOOTSTRAP: target.proxied,
        HYBRIDGE_TOPICS: topic,
        HYBRIDGE_MIRROR_ID: topic,
        HYBRIDGE_DEAD_LETTER_TOPIC: `dead-${topic}`,
      },
      log(name),
    );

  await fill();
  await using first = start("first");
  await untilSame();
  // Something has to be under way, or the loss of the connection would not interrupt anything.
  const acknowledgements = target.proxy.swallowAnswers(apiKeys.produce);
  await fill();
  await until(() => acknowledgements.count > 0);
  const fences = target.proxy.swallowAnswers(apiKeys.initProducerId);
  target.proxy.cut();
  await until(() => fences.count > 0);
  first.signal("SIGSTOP");
  fences.end();

  await fill(hugeRecord(random));
  await using second = start("second");
  await untilSame();
  first.signal("SIGCONT");
  for (let round = 0; round < 10; round++) {
    await fill();
    await sleep(300);
  }
  const failures = ["first", "second"].flatMap((name) =>
    readFileSync(log(name), "utf8")
      .split("\n")
      .filter((line) => line.includes("mirror.partition_failed") && !line.includes("KAFKA_FENCED")),
  );
  assert.deepEqual(failures, [], "nothing but a successor ends an owner");
  await untilSame();
  assert.equal((await first.ended).code, 1, "the sleeper is the one that gives way");
  assert.equal(second.exit, undefined);
});

const SLOW_BYTES_PER_SECOND = 200_000;
/** What is in flight takes longer than one produce request may. */
const SLOW_BYTES = 6_000_000;
const RECORD_BYTES = 100_000;

test("over a slow link what is in flight is waited for, and nothing is sent again", async () => {
  const signal = AbortSignal.timeout(180_000);
  const topic = await makeTopics(source.direct, target.direct, SEED + 1, signal);
  const value = () => randomBytes(RECORD_BYTES);
  const lists = Array.from({ length: SLOW_BYTES / RECORD_BYTES }, () => [
    { key: null, value: value(), headers: [], timestampMs: 1_700_000_000_000 },
  ]);
  await produceBatches(source.direct, { topic, partition: 0 }, lists, signal);
  target.proxy.narrow(SLOW_BYTES_PER_SECOND);
  const log = join(clusters.dir, `${topic}.log`);
  await using mirror = startMirrorService(
    {
      HYBRIDGE_SOURCE_BOOTSTRAP: source.proxied,
      HYBRIDGE_TARGET_BOOTSTRAP: target.proxied,
      HYBRIDGE_TOPICS: topic,
      HYBRIDGE_MIRROR_ID: topic,
    },
    log,
  );
  for (;;) {
    signal.throwIfAborted();
    if (mirror.exit) assert.fail(readFileSync(log, "utf8"));
    const end = (await readOffsets(target.direct, topic, signal)).get(0)?.end ?? 0n;
    if (end > BigInt(lists.length)) break;
    await sleep(500);
  }
  target.proxy.narrow(0);
  const [from, to] = [source, target].map(({ direct }) => ({ cluster: direct, topic }));
  assert.ok(from && to);
  assert.equal((await compareTopics(from, to, signal)).records, lists.length);
  const interrupted = readFileSync(log, "utf8").match(/mirror\.partition_interrupted/g) ?? [];
  assert.equal(interrupted.length, 0);
});
