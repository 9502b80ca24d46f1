import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "@hybridge/core";
import { collectEvents, FakeClock } from "@hybridge/core/testing";
import {
  Batch,
  buildBatch,
  encodeRecords,
  errorCode,
  Frame,
  type Fetched,
  type Subscription,
} from "@hybridge/kafka/raw";
import { randomRecords, seededRandom } from "@hybridge/kafka/testing";
import { PositionLedger } from "../src/positions/ledger.ts";
import { ByteBudget } from "../src/sending/byte-budget.ts";
import type { OutgoingBatch } from "../src/sending/sender.ts";
import { RestartRequired } from "../src/tenure/restart.ts";
import { Tenure, type TenureOptions } from "../src/tenure/tenure.ts";

const route = { sourceTopic: "hybrid", targetTopic: "hybrid", partition: 0 };
const ids = {
  mirrorId: "m",
  sourceClusterId: "c",
  sourceTopicId: "a".repeat(32),
  targetTopicId: "b".repeat(32),
};

/** Tenures of one partition over clusters that do only what the test says. */
function makeStage() {
  const ledger = new PositionLedger({ ...route, ...ids });
  const { emit } = collectEvents();
  const puts: { offsets: bigint[]; done: () => void; fail: (error: Error) => void }[] = [];
  const read = new Set<Subscription>();
  const told = { records: 0, deadLetters: 0 };
  const budget = new ByteBudget(1 << 20);
  const context = {
    clock: new FakeClock(),
    random: () => 0.5,
    renewEveryMs: 1_000_000,
    emit,
    budget,
    merge: { enabled: false, fromRoundTripMs: 0, belowBytes: 0, targetBytes: 0 },
    onTruncation: "continue",
    onRecreation: "stop",
    fetcher: {
      add: (subscription: Subscription) => read.add(subscription),
      remove: (subscription: Subscription) => read.delete(subscription),
      wake: () => undefined,
    },
    sender: { ready: () => undefined },
    positions: { flush: () => Promise.resolve() },
    deadLetters: {
      put: (_: unknown, list: readonly { offset: bigint }[]) =>
        new Promise<void>((done, fail) => {
          puts.push({ offsets: list.map(({ offset }) => offset), done, fail });
        }),
    },
  };
  const options = {
    context,
    route,
    limits: { bytesMax: Infinity },
    observer: {
      fenced: () => undefined,
      acknowledged: (records: number) => (told.records += records),
      deadLettered: () => (told.deadLetters += 1),
      sourceEnds: () => undefined,
      readFailed: () => undefined,
    },
  } as unknown as TenureOptions;
  const begin = (next: bigint, targetEnd: bigint) => {
    const owner = { producerId: 7n, producerEpoch: 3, isContinued: true, endOffsets: new Map() };
    const taken = { owner, ledger, sourceTopicId: ids.sourceTopicId, epoch: 0, leader: 1 };
    return new Tenure(options, { ...taken, next, targetEnd, bytesMax: 1 << 20 });
  };
  /** Hands a tenure what the fetcher would: a batch of so many records. */
  const feed = (tenure: Tenure, from: bigint, count: number) => {
    const [subscription] = read;
    assert.ok(subscription, "it is read");
    const answer = { lastStableOffset: from + BigInt(count), aborted: [] };
    const batch = batchAt(from, count);
    const frame = new Frame(batch.bytes);
    subscription.nextOffset = from + BigInt(count);
    tenure.accept({ subscription, from, batches: [batch], answer, frame } as unknown as Fetched);
  };
  const { clock } = context;
  return { clock, ledger, puts, told, budget, begin, feed, read };
}

function batchAt(baseOffset: bigint, count: number): Batch {
  const records = randomRecords(seededRandom(count), count, 1_000);
  const bytes = buildBatch(encodeRecords(records, 1_000), {
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    codec: 0,
    count,
    baseTimestamp: 1_000n,
    maxTimestamp: 2_000n,
  });
  bytes.writeBigInt64BE(baseOffset, 0);
  return new Batch(bytes);
}

const acknowledge = (batch: OutgoingBatch, baseOffset: bigint) => {
  const { topic, partition } = batch;
  batch.answered({ topic, partition, error: 0, baseOffset, message: null, recordErrors: [] });
};

const refuse = (batch: OutgoingBatch, error: number, ...indexes: number[]) => {
  const { topic, partition } = batch;
  const recordErrors = indexes.map((index) => ({ index, message: "no key" }));
  const answer = { topic, partition, error, baseOffset: -1n, message: "refused", recordErrors };
  batch.answered(answer);
};

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const never = new AbortController().signal;

test("what is acknowledged becomes positions, in the order of sending", async () => {
  const stage = makeStage();
  await using tenure = stage.begin(10n, 5n);
  const running = tenure.run(never);
  stage.feed(tenure, 10n, 3);
  stage.feed(tenure, 13n, 2);
  const [first, second] = [tenure.nextBatch(0), tenure.nextBatch(0)];
  assert.ok(first && second, "both go at once");
  assert.deepEqual(
    [new Batch(first.batch).baseSequence, new Batch(second.batch).baseSequence],
    [0, 3],
  );
  assert.deepEqual([tenure.sourceOffset, tenure.targetOffset], [10n, 5n]);
  acknowledge(first, 5n);
  assert.deepEqual([tenure.sourceOffset, tenure.targetOffset], [13n, 8n]);
  tenure.drain();
  acknowledge(second, 8n);
  await running;
  const { crc } = new Batch(second.batch);
  const lastBatch = { targetOffset: 8n, crc };
  assert.deepEqual(stage.ledger.end, {
    sourceOffset: 15n,
    targetOffset: 10n,
    epoch: -1,
    lastBatch,
  });
  assert.equal(stage.told.records, 5);
});

test("an answer that comes after the end of a tenure changes nothing", async () => {
  const stage = makeStage();
  const tenure = stage.begin(0n, 0n);
  const running = tenure.run(never);
  stage.feed(tenure, 0n, 4);
  const sent = tenure.nextBatch(0);
  assert.ok(sent);
  tenure.lost(new Error("the connection broke"));
  await assert.rejects(running, /the connection broke/);
  await tenure[Symbol.asyncDispose]();
  assert.deepEqual([tenure.sourceOffset, tenure.targetOffset], [0n, 0n]);
  acknowledge(sent, 0n);
  sent.lost(new Error("again"));
  assert.equal(stage.ledger.end, undefined);
  assert.equal(stage.told.records, 0);
  assert.equal(tenure.nextBatch(0), undefined);
  assert.deepEqual([stage.read.size, stage.budget.bytes], [0, 0]);
});

/** Sends what was fed, and lets the target refuse the one record of the first batch. */
function refuseFirst(tenure: Tenure): void {
  const sent = tenure.nextBatch(0);
  assert.ok(sent, "there is something to send");
  refuse(sent, errorCode.invalidRecord, 0);
}

test("a dead letter that outlives its tenure does not hold up the next one", async () => {
  const stage = makeStage();
  const first = stage.begin(0n, 0n);
  const running = first.run(never);
  stage.feed(first, 1n, 1);
  refuseFirst(first);
  assert.deepEqual(stage.puts[0]?.offsets, [1n]);
  first.lost(new Error("the connection broke"));
  await assert.rejects(running, /the connection broke/);
  await first[Symbol.asyncDispose]();

  const second = stage.begin(1n, 1n);
  const again = second.run(never);
  stage.feed(second, 1n, 1);
  refuseFirst(second);
  stage.feed(second, 2n, 2);
  assert.equal(second.nextBatch(0), undefined, "nothing passes what is being put aside");
  // The first one's write comes through at last: it belongs to nobody.
  stage.puts[0].done();
  await settle();
  assert.equal(stage.ledger.isDeadLetter(1n), false);
  assert.equal(stage.puts.length, 2, "the second writes its own");
  stage.puts[1]?.done();
  await settle();
  assert.equal(stage.ledger.isDeadLetter(1n), true);
  assert.equal(stage.told.deadLetters, 1);
  const sent = second.nextBatch(0);
  assert.ok(sent, "and goes on without any more data");
  second.drain();
  acknowledge(sent, 1n);
  await again;
  await second[Symbol.asyncDispose]();
  assert.deepEqual(stage.ledger.end?.sourceOffset, 4n);
});

test("a tenure drains only when its dead letter is written", async () => {
  const stage = makeStage();
  await using tenure = stage.begin(0n, 0n);
  let isOver = false;
  const running = tenure.run(never).then(() => (isOver = true));
  stage.feed(tenure, 0n, 1);
  refuseFirst(tenure);
  tenure.drain();
  await settle();
  assert.equal(isOver, false);
  stage.puts[0]?.done();
  await running;
  assert.equal(tenure.sourceOffset, 1n);
});

test("refused records cost no take-over, and nothing of what was in flight behind them is lost", async () => {
  const stage = makeStage();
  await using tenure = stage.begin(100n, 50n);
  const running = tenure.run(never);
  for (const [from, count] of [
    [100n, 4],
    [104n, 3],
    [107n, 2],
  ] as const) {
    stage.feed(tenure, from, count);
  }
  const sent = [tenure.nextBatch(0), tenure.nextBatch(0), tenure.nextBatch(0)];
  const [one, two, three] = sent;
  assert.ok(one && two && three);
  acknowledge(one, 50n);
  refuse(two, errorCode.invalidRecord, 0, 2);
  assert.equal(tenure.nextBatch(0), undefined, "nothing is sent until all is answered");
  refuse(three, errorCode.outOfOrderSequence);
  // 105 goes behind the dead letter 104, and before 106.
  assert.deepEqual(
    stage.puts.map(({ offsets }) => offsets),
    [[104n]],
  );
  stage.puts[0]?.done();
  await settle();
  const middle = tenure.nextBatch(0);
  assert.ok(middle);
  const batch = new Batch(middle.batch);
  assert.deepEqual([batch.count, batch.baseSequence], [1, 4], "the sequence of the refused batch");
  acknowledge(middle, 54n);
  assert.deepEqual(stage.puts[1]?.offsets, [106n]);
  stage.puts[1].done();
  await settle();
  const last = tenure.nextBatch(0);
  assert.ok(last);
  assert.deepEqual([new Batch(last.batch).count, new Batch(last.batch).baseSequence], [2, 5]);
  new Batch(last.batch).verify("the batch that was stamped twice");
  tenure.drain();
  acknowledge(last, 55n);
  await running;
  assert.deepEqual(
    stage.ledger.runs.map(({ sourceOffset, targetOffset, count }) => [
      sourceOffset,
      targetOffset,
      count,
    ]),
    [
      [100n, 50n, 4n],
      [105n, 54n, 1n],
      [107n, 55n, 2n],
    ],
  );
  assert.equal(stage.budget.bytes, 0);
});

test("5,000 refused records in a row go to the dead letters together", async () => {
  const stage = makeStage();
  await using tenure = stage.begin(0n, 0n);
  const running = tenure.run(never);
  stage.feed(tenure, 0n, 5_000);
  let done = 0;
  while (tenure.hasMore) {
    const sent = tenure.nextBatch(0);
    assert.ok(sent);
    const { count } = new Batch(sent.batch);
    const all = Array.from({ length: count }, (_, index) => index);
    refuse(sent, errorCode.invalidTimestamp, ...all);
    for (; done < stage.puts.length; done++) {
      stage.puts[done]?.done();
      await settle();
    }
  }
  assert.equal(stage.told.deadLetters, 5_000);
  assert.ok(stage.puts.length <= 20, `${stage.puts.length} writes`);
  tenure.drain();
  await running;
});

test("a refusal whose outcome is not certain for all in flight ends the tenure", async () => {
  const stage = makeStage();
  await using tenure = stage.begin(0n, 0n);
  const running = tenure.run(never);
  stage.feed(tenure, 0n, 2);
  stage.feed(tenure, 2n, 2);
  const [one, two] = [tenure.nextBatch(0), tenure.nextBatch(0)];
  assert.ok(one && two);
  refuse(one, errorCode.invalidRecord, 0);
  two.lost(new Error("the connection broke"));
  await assert.rejects(running, /the connection broke/);
});

test("an error of the source is tried again without another fence", async () => {
  const stage = makeStage();
  await using tenure = stage.begin(0n, 0n);
  const running = tenure.run(never);
  const [subscription] = stage.read;
  assert.ok(subscription);
  stage.read.delete(subscription);
  tenure.sourceFailed(subscription, new UnavailableError("fetch hybrid-0"));
  stage.clock.advance(2_000);
  await settle();
  assert.deepEqual([...stage.read], [subscription]);
  tenure.drain();
  await running;
});

test("a tenure is renewed before the coordinator forgets its owner", async () => {
  const stage = makeStage();
  await using tenure = stage.begin(0n, 0n);
  const running = tenure.run(never);
  const ended = assert.rejects(running, RestartRequired);
  stage.clock.advance(1_000_000);
  await ended;
});
