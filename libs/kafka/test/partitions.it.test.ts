// The partition source against a real broker: each thing that stops a partition stops that one alone.
import assert from "node:assert/strict";
import {
  openSync,
  closeSync,
  mkdtempSync,
  readdirSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startKafka, type Kafka as Broker } from "@hybridge/local";
import { Kafka, logLevel, type Admin } from "kafkajs";
import {
  describeTopic,
  openPartitions,
  readFingerprint,
  watchTopics,
  type PartitionFailure,
  type PartitionResult,
  type TopicChange,
} from "../src/groups.ts";
import { ensureTopic, type ClusterOptions, type RecordToSend } from "../src/index.ts";
import { produceBatches } from "../src/testing/index.ts";

const signal = AbortSignal.timeout(170_000);
let dir: string;
let broker: Broker;
let cluster: ClusterOptions;
let admin: Admin;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "hybridge-partitions-"));
  broker = await startKafka({ dir });
  cluster = { bootstrap: broker.addresses.bootstrap, clientId: "hybridge-test" };
  admin = new Kafka({ brokers: [cluster.bootstrap], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
});

after(async () => {
  await admin.disconnect();
  await broker.stop();
  rmSync(dir, { recursive: true, force: true });
});

const records = (...values: readonly string[]): RecordToSend[] =>
  values.map((value) => ({
    ...{ key: null, value: Buffer.from(value), headers: [], timestampMs: 1_700_000_000_000 },
  }));

async function produce(topic: string, partition: number, ...batches: readonly string[][]) {
  const all = batches.map((values) => records(...values));
  await produceBatches(cluster, { topic, partition }, all, signal);
}

function open(topic: string) {
  const source = openPartitions({ cluster, topic, signal, emit: () => undefined });
  const results = source[Symbol.asyncIterator]();
  const next = async (): Promise<PartitionResult> => {
    for (;;) {
      const step = await results.next();
      if (step.done === true) assert.fail("the results ended");
      const result = step.value;
      if (result.kind === "failed" || result.records.length > 0) return result;
    }
  };
  return { source, next, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
}

function textOf(result: PartitionResult): string {
  if (result.kind === "failed") return `${result.partition} ${result.reason} ${result.position}`;
  return `${result.partition}: ${result.records.map(({ value }) => String(value)).join(" ")}`;
}

function failureIn(results: readonly PartitionResult[]): PartitionFailure {
  const failure = results.find((result) => result.kind === "failed");
  assert.ok(failure, results.map(textOf).join(", "));
  return failure;
}

/** Turns a bit of the record with this value, in the only segment of a partition. */
function damage(topic: string, partition: number, value: string): void {
  const folder = join(dir, "data", `${topic}-${partition}`);
  const name = readdirSync(folder).find((file) => file.endsWith(".log")) ?? "";
  const file = openSync(join(folder, name), "r+");
  const bytes = Buffer.alloc(1 << 20);
  const length = readSync(file, bytes, 0, bytes.length, 0);
  const at = bytes.subarray(0, length).indexOf(value);
  assert.ok(at > 0);
  writeSync(file, Buffer.from([(bytes[at] ?? 0) ^ 1]), 0, 1, at);
  closeSync(file);
}

test("deleted records and a corrupt batch: told exactly, and passed by whoever decides so", async () => {
  const topic = "damaged";
  await ensureTopic(cluster, { topic, partitions: 3 }, signal);
  await produce(topic, 0, ["a", "b"], ["bad-one", "d"], ["e"]);
  await produce(topic, 1, ["f", "g"], ["h"]);
  await produce(topic, 2, ["i"]);
  damage(topic, 0, "bad-one");
  // kafkajs deletes records only of topics that it has asked for before.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "2" }] });
  await using reading = open(topic);
  const { source, next } = reading;
  for (const partition of [0, 1, 2]) source.add(partition, 0n);
  const results = [await next(), await next(), await next(), await next()];
  assert.deepEqual(results.map(textOf).sort(), [
    "0 corrupt 2",
    "0: a b",
    "1 out-of-range 0",
    "2: i",
  ]);
  const corrupt = failureIn(results.filter(({ partition }) => partition === 0));
  assert.equal(corrupt.skipTo, 4n);
  const gone = failureIn(results.filter(({ partition }) => partition === 1));
  assert.deepEqual([gone.startOffset, gone.endOffset], [2n, 3n]);
  source.add(0, corrupt.skipTo ?? 0n);
  source.add(1, "earliest");
  assert.deepEqual([await next(), await next()].map(textOf).sort(), ["0: e", "1: h"]);
});

test("a topic's growth, deletion and recreation are told by the watch and by the source", async () => {
  const topic = "watched";
  const changes: TopicChange[] = [];
  const stop = new AbortController();
  const { promise: deleted, resolve } = Promise.withResolvers<undefined>();
  const watching = watchTopics({
    cluster,
    topics: [topic],
    signal: AbortSignal.any([signal, stop.signal]),
    emit: () => undefined,
    intervalMs: 100,
    onChange: (change) => {
      changes.push(change);
      if (change.kind === "deleted") resolve(undefined);
    },
  });
  const seen = async (kind: TopicChange["kind"]) => {
    while (!changes.some((change) => change.kind === kind)) {
      await new Promise((wake) => setTimeout(wake, 20));
      signal.throwIfAborted();
    }
  };
  assert.equal(await describeTopic(cluster, topic, signal), undefined);
  await ensureTopic(cluster, { topic, partitions: 2 }, signal);
  await seen("found");
  await produce(topic, 0, ["a", "b"], ["c"]);
  const first = await describeTopic(cluster, topic, signal);
  const print = await readFingerprint(cluster, { topic, partition: 0, offset: 1n }, signal);
  assert.equal(print?.baseOffset, 0n);
  await using reading = open(topic);
  const { source, next } = reading;
  source.add(0, 0n, first?.topicId);
  assert.equal(textOf(await next()), "0: a b c");

  await ensureTopic(cluster, { topic, partitions: 3 }, signal);
  await seen("grown");
  await admin.deleteTopics({ topics: [topic] });
  await deleted;
  await ensureTopic(cluster, { topic, partitions: 1 }, signal);
  await seen("recreated");
  await produce(topic, 0, ["other"]);
  const failure = failureIn([await next()]);
  assert.equal(textOf(failure), "0 recreated 3");
  const now = await describeTopic(cluster, topic, signal);
  assert.equal(failure.topicId, now?.topicId);
  assert.notEqual(now?.topicId, first?.topicId);
  const other = await readFingerprint(cluster, { topic, partition: 0, offset: 0n }, signal);
  assert.notDeepEqual(other, print);
  assert.equal(
    await readFingerprint(cluster, { topic, partition: 0, offset: 99n }, signal),
    undefined,
  );
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ["found", "grown", "deleted", "recreated"],
  );
  stop.abort();
  await watching;
});

test("a hundred partitions are read from their beginnings, and go on", async () => {
  const topic = "wide";
  const partitions = 100;
  await ensureTopic(cluster, { topic, partitions }, signal);
  await produce(topic, 7, ["before"]);
  await using reading = open(topic);
  const { source, next } = reading;
  for (let partition = 0; partition < partitions; partition++) source.add(partition, "earliest");
  assert.equal(textOf(await next()), "7: before");
  await produce(topic, 7, ["after"]);
  await produce(topic, 99, ["last"]);
  assert.deepEqual([await next(), await next()].map(textOf).sort(), ["7: after", "99: last"]);
});
