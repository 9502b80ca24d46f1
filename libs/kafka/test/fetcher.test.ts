import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { FakeClock } from "@hybridge/core/testing";
import type { Cluster } from "../src/cluster.ts";
import { Fetcher, type Fetched, type Subscription } from "../src/fetcher.ts";
import { buildBatch } from "../src/wire/batch.ts";
import { ProtocolReader } from "../src/wire/reader.ts";
import { encodeRecords } from "../src/wire/record.ts";
import { ProtocolWriter } from "../src/wire/writer.ts";

const TOPIC_ID = "ab".repeat(16);

/** A broker whose fetch answers the test gives by hand. */
function fakeCluster() {
  const questions: ((answer: ProtocolReader) => void)[] = [];
  /** Which broker each question went to. */
  const asked: number[] = [];
  const silences: number[] = [];
  const cluster = {
    options: { bootstrap: "t:1", clientId: "t", rack: "here" },
    describe: () =>
      Promise.resolve({
        topics: [{ name: "t", id: TOPIC_ID, error: 0, partitions: [{ partition: 0, leader: 1 }] }],
      }),
    connection: (nodeId: number) =>
      Promise.resolve({
        require: () => undefined,
        throttled: (forMs: number) => silences.push(forMs),
        request: () => {
          asked.push(nodeId);
          return new Promise<ProtocolReader>((resolve) => questions.push(resolve));
        },
      }),
  };
  return { cluster: cluster as unknown as Cluster, questions, asked, silences };
}

function batchAt(baseOffset: bigint): Buffer {
  const record = { key: null, value: Buffer.from("v"), headers: [], timestampMs: 1 };
  const bytes = buildBatch(encodeRecords([record], 1), {
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    codec: 0,
    count: 1,
    baseTimestamp: 1n,
    maxTimestamp: 1n,
  });
  bytes.writeBigInt64BE(baseOffset, 0);
  return bytes;
}

function answerWith(
  records: Buffer,
  preferredReplica = -1,
  error = 0,
  throttleMs = 0,
): ProtocolReader {
  const body = new ProtocolWriter().i32(throttleMs).i16(0).i32(77);
  body.array([0], (topic) => {
    topic.uuid(TOPIC_ID).array([0], (item) => {
      item
        .i32(0)
        .i16(error)
        .i64(900n)
        .i64(900n)
        .i64(0n)
        .array([], () => undefined);
      item.i32(preferredReplica).compactBytes(records).noTags();
    });
    topic.noTags();
  });
  return new ProtocolReader(Buffer.concat(body.noTags().chunks()));
}

const subscribe = (nextOffset: bigint): Subscription => ({
  topic: "t",
  partition: 0,
  nextOffset,
  lastEpoch: -1,
  topicId: undefined,
  paused: false,
});

async function until(condition: () => boolean): Promise<void> {
  for (const signal = AbortSignal.timeout(5_000); !condition();) {
    signal.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function start() {
  const { cluster, questions } = fakeCluster();
  const fetched: Fetched[] = [];
  const failed: Error[] = [];
  const stop = new AbortController();
  const fetcher = new Fetcher({
    cluster,
    committedOnly: true,
    signal: stop.signal,
    onFetched: (item) => fetched.push(item),
    onFailed: (_, error) => failed.push(error),
  });
  const running = fetcher.run();
  const end = async () => {
    stop.abort();
    for (const answer of questions) answer(answerWith(Buffer.alloc(0)));
    await running;
  };
  return { fetcher, questions, fetched, failed, end };
}

test("an answer to what an earlier subscription asked is not given to a later one", async () => {
  const { fetcher, questions, fetched, end } = start();
  const before = subscribe(328n);
  fetcher.add(before);
  await until(() => questions.length === 1);
  // The owner goes back: what stands from 220 on is not in the target after all.
  fetcher.remove(before);
  const after = subscribe(220n);
  fetcher.add(after);
  await until(() => after.topicId !== undefined);
  questions[0]?.(answerWith(batchAt(328n)));
  await until(() => questions.length === 2);
  assert.equal(after.nextOffset, 220n, "nothing was passed over");
  assert.equal(fetched.length, 0);
  questions[1]?.(answerWith(batchAt(220n)));
  await until(() => fetched.length === 1);
  assert.equal(fetched[0]?.subscription, after);
  assert.equal(after.nextOffset, 221n);
  await end();
});

test("nor is one for a position that the subscription has left", async () => {
  const { fetcher, questions, fetched, end } = start();
  const subscription = subscribe(10n);
  fetcher.add(subscription);
  await until(() => questions.length === 1);
  subscription.nextOffset = 5n;
  questions[0]?.(answerWith(batchAt(10n)));
  await until(() => questions.length === 2);
  assert.equal(subscription.nextOffset, 5n);
  assert.equal(fetched.length, 0);
  await end();
});

test("a damaged partition is given up by itself", async () => {
  const { fetcher, questions, failed, end } = start();
  fetcher.add(subscribe(0n));
  await until(() => questions.length === 1);
  const bytes = batchAt(0n);
  bytes[16] = 1; // a format from before Kafka 0.11
  questions[0]?.(answerWith(bytes));
  await until(() => failed.length === 1);
  assert.match(failed[0]?.message ?? "", /its format is 1/);
  await end();
});

test("what the leader says is closer is read there, and when that fails at the leader again", async () => {
  const { cluster, questions, asked } = fakeCluster();
  const stop = new AbortController();
  const got: Fetched[] = [];
  const fetcher = new Fetcher({
    cluster,
    committedOnly: true,
    signal: stop.signal,
    onFetched: (fetched) => got.push(fetched),
    onFailed: (_, error) => assert.fail(error),
  });
  fetcher.add(subscribe(0n));
  const running = fetcher.run();
  const NOT_LEADER = 6;
  const answers = [
    answerWith(Buffer.alloc(0), 2),
    answerWith(batchAt(0n)),
    answerWith(Buffer.alloc(0), -1, NOT_LEADER),
  ];
  for (const [index, answer] of answers.entries()) {
    await until(() => questions.length > index);
    questions[index]?.(answer);
  }
  await until(() => questions.length > answers.length);
  assert.deepEqual(asked, [1, 2, 2, 1]);
  assert.deepEqual(
    got.map(({ from, batches }) => [from, batches.length]),
    [[0n, 1]],
  );
  stop.abort();
  for (const question of questions) question(answerWith(Buffer.alloc(0)));
  await running;
});

test("a broker that throttles is left alone for so long", async () => {
  const { cluster, questions, silences } = fakeCluster();
  const stop = new AbortController();
  const clock = new FakeClock();
  const fetcher = new Fetcher({
    cluster,
    clock,
    committedOnly: true,
    signal: stop.signal,
    onFetched: () => undefined,
    onFailed: (_, error) => assert.fail(error),
  });
  fetcher.add(subscribe(0n));
  const running = fetcher.run();
  await until(() => questions.length === 1);
  questions[0]?.(answerWith(batchAt(0n), -1, 0, 30_000));
  await until(() => silences.length === 1);
  await turn();
  clock.advance(29_999);
  await turn();
  assert.equal(questions.length, 1);
  clock.advance(1);
  await until(() => questions.length === 2);
  assert.deepEqual(silences, [30_000]);
  stop.abort();
  for (const question of questions) question(answerWith(Buffer.alloc(0)));
  await running;
});
