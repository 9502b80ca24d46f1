import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Batch,
  buildBatch,
  encodeRecords,
  Frame,
  FramePool,
  scanRecords,
} from "@hybridge/kafka/raw";
import { randomRecords, seededRandom } from "@hybridge/kafka/testing";
import { ByteBudget } from "../src/sending/byte-budget.ts";
import { Outbox, type Waiting } from "../src/tenure/outbox.ts";
import { RecentMinimum } from "../src/sending/sender.ts";
import { topicPattern } from "../src/topics/topic-pattern.ts";
import { isWanted } from "../src/topics/target-topic.ts";

test("a frame counts until its last batch is gone, and whoever waits is let in then", async () => {
  const budget = new ByteBudget(100);
  const [a, b] = [new Frame(Buffer.alloc(80)), new Frame(Buffer.alloc(60))];
  budget.retain(a);
  budget.retain(a);
  budget.retain(b);
  assert.equal(budget.bytes, 140);
  let isIn = false;
  const waiting = budget.room(new AbortController().signal).then(() => (isIn = true));
  budget.release(a);
  await Promise.resolve();
  assert.equal(isIn, false);
  budget.release(a);
  await waiting;
  assert.equal(budget.bytes, 60);
});

test("memory is used again only when nothing can still be sent from it", () => {
  const pool = new FramePool(1 << 20);
  const budget = new ByteBudget(1 << 20, pool);
  const take = () => new Frame(pool.take(100_000));
  const [done, lost] = [take(), take()];
  for (const frame of [done, done, lost, lost]) budget.retain(frame);
  budget.release(done);
  budget.release(done);
  budget.abandon(lost);
  budget.release(lost);
  assert.equal(budget.bytes, 0);
  assert.equal(pool.take(70_000).buffer, done.bytes.buffer);
  assert.notEqual(pool.take(70_000).buffer, lost.bytes.buffer);
});

test("waiting for room ends with the signal", async () => {
  const budget = new ByteBudget(1);
  budget.retain(new Frame(Buffer.alloc(5)));
  const stop = new AbortController();
  const waiting = budget.room(stop.signal);
  stop.abort();
  await waiting;
});

function waiting(seed: number, count: number, sourceOffset: bigint): Waiting {
  const list = randomRecords(seededRandom(seed), count, 1_000);
  const bytes = buildBatch(encodeRecords(list, 1_000), {
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    codec: 0,
    count,
    baseTimestamp: 1_000n,
    maxTimestamp: 2_000n,
  });
  const runs = [{ sourceOffset, count }];
  const part = { kind: "batch" as const, bytes, count, runs, epoch: 0 };
  return { part, frame: new Frame(bytes), timestampMs: 1_000 };
}

test("small batches that wait are joined, large ones and those to be sent alone are not", () => {
  const budget = new ByteBudget(1 << 20);
  const outbox = new Outbox(budget);
  const items = [waiting(1, 3, 0n), waiting(2, 4, 3n), waiting(3, 2, 7n)];
  for (const item of items) outbox.push(item);
  outbox.push({ ...waiting(4, 1, 9n), part: { ...waiting(4, 1, 9n).part, alone: true } as never });
  const merge = { enabled: true, fromRoundTripMs: 8, belowBytes: 100_000, targetBytes: 1 << 20 };
  const { parts, frames, bytes } = outbox.take(merge, 1 << 20, 8);
  assert.deepEqual([parts.length, frames.length, outbox.size], [3, 3, 1]);
  const joined = new Batch(bytes);
  joined.verify("here");
  assert.equal(joined.count, 9);
  const expected = items.flatMap(({ part }) =>
    part.kind === "batch" ? scanRecords(new Batch(part.bytes)) : [],
  );
  assert.deepEqual(
    scanRecords(joined).map(({ timestamp }) => timestamp),
    expected.map(({ timestamp }) => timestamp),
  );
  assert.equal(outbox.take(merge, 1 << 20, 8).parts.length, 1);
  outbox.clear();
});

test("merging can be off, and never makes more than the target takes", () => {
  const outbox = new Outbox(new ByteBudget(1 << 20));
  for (let index = 0; index < 4; index++) outbox.push(waiting(index + 1, 5, BigInt(index * 5)));
  const [first] = [outbox.first?.part];
  const bytes = first?.kind === "batch" ? first.bytes.length : 0;
  const off = { enabled: false, fromRoundTripMs: 8, belowBytes: 1 << 20, targetBytes: 1 << 20 };
  assert.equal(outbox.take(off, 1 << 20, 50).parts.length, 1);
  assert.equal(outbox.take({ ...off, enabled: true }, bytes, 50).parts.length, 1);
  assert.equal(outbox.take({ ...off, enabled: true }, 1 << 20, 1).parts.length, 1, "near");
  outbox.clear();
});

test("the shortest round trip is remembered for a while and then forgotten", () => {
  let now = 0;
  const least = new RecentMinimum(1_000, () => now);
  assert.equal(least.value, 0);
  least.add(5);
  least.add(9);
  assert.equal(least.value, 5);
  for (now = 1_500; now < 6_000; now += 1_500) least.add(50);
  assert.equal(least.value, 50);
});

test("topics are chosen as by the first system's whitelist, internal and own ones never", () => {
  const rules = {
    allow: topicPattern("HYBRIDGE_TOPICS", "hybrid, tweets\\..*"),
    deny: topicPattern("HYBRIDGE_TOPICS_DENY", ".*\\.tmp"),
    named: [],
    prefix: "",
    isOneCluster: false,
    own: new Set(["hybridge-dead-letters"]),
  };
  const chosen = (name: string, isInternal = false) => isWanted({ name, isInternal }, rules);
  assert.equal(chosen("hybrid"), true);
  assert.equal(chosen("hybrid2"), false);
  assert.equal(chosen("tweets.de"), true);
  assert.equal(chosen("tweets.de.tmp"), false);
  const all = {
    ...rules,
    allow: topicPattern("HYBRIDGE_TOPICS", ".*"),
    deny: topicPattern("HYBRIDGE_TOPICS_DENY", "-"),
    named: [],
  };
  for (const name of ["__consumer_offsets", "__hybridge-positions", "hybridge-dead-letters"]) {
    assert.equal(isWanted({ name, isInternal: false }, all), false, name);
  }
  assert.equal(isWanted({ name: "x", isInternal: true }, all), false);
});
