import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  countRecords,
  ensureTopic,
  openReader,
  partitionCount,
  readOffsets,
  type PositionRun,
} from "@hybridge/kafka";
import {
  produceBatches,
  randomRecords,
  seededRandom,
  TransactionalProducer,
} from "@hybridge/kafka/testing";
import { readPositions } from "@hybridge/mirror";
import { callUnary } from "@hybridge/rpc";
import { readWithConsoleConsumer } from "./console-consumer.ts";
import { CODECS, startPair, within } from "./harness.ts";

const SEED = 20_261_123;

const pair = await startPair("mirror-it");
const { brokers, source, target, start, fill, untilMirrored, assertSame } = pair;
after(() => pair[Symbol.asyncDispose]());

test("every record crosses as it is, in every codec, and the Java client agrees", async () => {
  await ensureTopic(source, { topic: "plain", partitions: 3 }, within());
  const random = seededRandom(SEED);
  for (let round = 0; round < CODECS.length; round++) await fill("plain", random, 4);
  await using mirror = start("plain");
  await untilMirrored(mirror, "plain");
  await assertSame("plain");
  const at = { topic: "plain", partition: 0 };
  const count = Number((await readOffsets(source, "plain", within())).get(0)?.end ?? 0n);
  const here = await readWithConsoleConsumer(brokers.source, at, count);
  const there = await readWithConsoleConsumer(brokers.target, at, count);
  assert.equal(there.count, count);
  assert.ok(there.printed.equals(here.printed));
  mirror.kill("SIGTERM");
  assert.deepEqual(await mirror.ended, { code: 0, signal: null });
  assert.match(mirror.log(), /"service.stopped"/);
});

test("one record at a time arrives at an idle mirror, whatever the pause between them", async () => {
  await ensureTopic(source, { topic: "drops", partitions: 2 }, within());
  const random = seededRandom(SEED + 10);
  await using mirror = start("drops");
  await mirror.until(({ state }) => state === "RUNNING");
  for (let count = 0; count < 20; count++) {
    const at = { topic: "drops", partition: count % 2 };
    await produceBatches(source, at, [randomRecords(random, 1)], within());
    await untilMirrored(mirror, "drops");
    // Around the 500 ms that a fetch waits for something to come.
    await new Promise((resolve) => setTimeout(resolve, random() * 600));
  }
  assert.equal((await assertSame("drops")).records, 20);
});

test("transactions: what was aborted stays away, whatever overlaps, markers included", async () => {
  await ensureTopic(source, { topic: "transactions", partitions: 1 }, within());
  const random = seededRandom(SEED + 1);
  const at = { topic: "transactions", partition: 0 } as const;
  await using first = new TransactionalProducer(source, "it-first", within());
  await using second = new TransactionalProducer(source, "it-second", within());
  await first.begin();
  await second.begin();
  for (let round = 0; round < 12; round++) {
    await first.send(at, randomRecords(random, 3));
    await second.send({ ...at, compression: "lz4" }, randomRecords(random, 2));
    await produceBatches(source, at, [randomRecords(random, 2)], within());
    await (random() < 0.5 ? first : second).end(random() < 0.5);
    await first.send(at, randomRecords(random, 1));
    await first.end(random() < 0.5);
    await second.send(at, randomRecords(random, 1));
    await second.end(random() < 0.5);
  }
  await using mirror = start("transactions");
  await untilMirrored(mirror, "transactions");
  await assertSame("transactions");
});

test("a transaction that nobody ends is told with its producer, and when it has ended", async () => {
  const topic = "hanging";
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED + 11);
  const at = { topic, partition: 0 } as const;
  await using producer = new TransactionalProducer(source, "it-hanging", within());
  await producer.begin();
  await producer.send(at, randomRecords(random, 3));
  await produceBatches(source, at, [randomRecords(random, 4)], within());
  await using mirror = start(topic, { HYBRIDGE_OPEN_TRANSACTION_MS: "1000" });
  const status = await mirror.until(({ partitions }) =>
    partitions.some(({ reason }) => reason.includes("open since")),
  );
  assert.match(status?.partitions[0]?.reason ?? "", /holds back 7 offsets from 0 on.*abort/);
  const told = () =>
    mirror.events().filter(({ event }) => event === "mirror.source_transaction_open");
  assert.deepEqual(
    told().map(({ firstOffset, offsetsHeld }) => [firstOffset, offsetsHeld]),
    [["0", "7"]],
  );
  await producer.end(true);
  await untilMirrored(mirror, topic);
  await assertSame(topic);
  await mirror.until(({ state }) => state === "RUNNING");
  assert.match(mirror.log(), /mirror.source_transaction_ended/);
  assert.equal(told().length, 1, "told once");
});

test("offsets are translated exactly, over the gaps that markers leave", async () => {
  const stop = new AbortController();
  const inTarget = new Map<bigint, Buffer | null>();
  const ends = await readOffsets(target, "transactions", within());
  for await (const { records, nextOffset } of openReader({
    cluster: target,
    topic: "transactions",
    positions: new Map([[0, "earliest"]]),
    signal: stop.signal,
  })) {
    for (const { offset, value } of records) inTarget.set(offset, value);
    if (nextOffset >= (ends.get(0)?.end ?? 0n)) stop.abort();
  }
  await using mirror = start("transactions");
  await untilMirrored(mirror, "transactions");
  // The table follows within a moment: a mirror that was just killed may not have written it.
  const signal = within();
  let runs: readonly PositionRun[] = [];
  while (runs.length <= 1) {
    signal.throwIfAborted();
    runs =
      (await readPositions(target, { sourceTopic: "transactions", source }, signal)).get(0)?.runs ??
      [];
  }
  const client = await mirror.client();
  const translate = async (sourceOffset: bigint) =>
    await callUnary(
      client.translateOffset.bind(client),
      { sourceTopic: "transactions", partition: 0, sourceOffset },
      { deadlineMs: 5_000 },
    );
  const reading = new AbortController();
  let checked = 0;
  const end = (await readOffsets(source, "transactions", within())).get(0)?.end ?? 0n;
  for await (const { records, nextOffset } of openReader({
    cluster: source,
    topic: "transactions",
    positions: new Map([[0, "earliest"]]),
    signal: reading.signal,
  })) {
    for (const { offset, value } of records) {
      const answer = await translate(offset);
      assert.equal(answer.exact, true, `source offset ${offset}`);
      assert.deepEqual(inTarget.get(answer.targetOffset), value, `source offset ${offset}`);
      checked += 1;
    }
    if (nextOffset >= end) reading.abort();
  }
  assert.ok(checked > 30, `checked ${checked}`);
  assert.equal((await translate(end + 5n)).exact, false);
});

test("records that a broker stamped keep the time that consumers saw", async () => {
  const config = { "message.timestamp.type": "LogAppendTime" };
  await ensureTopic(source, { topic: "stamped", partitions: 1, config }, within());
  await fill("stamped", seededRandom(SEED + 2));
  await using mirror = start("stamped");
  await untilMirrored(mirror, "stamped");
  await assertSame("stamped");
});

test("new topics and new partitions are found within 5 s, with the source's settings", async () => {
  await ensureTopic(source, { topic: "grow-a", partitions: 1 }, within());
  await fill("grow-a", seededRandom(SEED + 3));
  await using mirror = start("grow-.*");
  await untilMirrored(mirror, "grow-a");
  const config = { "cleanup.policy": "compact", "max.message.bytes": "2000000" };
  await ensureTopic(source, { topic: "grow-b", partitions: 2, config }, within());
  await ensureTopic(source, { topic: "grow-a", partitions: 3 }, within());
  const began = Date.now();
  const found = await mirror.until(
    ({ partitions }) => partitions.filter(({ state }) => state === "MIRRORING").length === 5,
  );
  assert.ok(found);
  assert.ok(Date.now() - began < 5_000, `found after ${Date.now() - began} ms`);
  await fill("grow-a", seededRandom(SEED + 4));
  await untilMirrored(mirror, "grow-a");
  await assertSame("grow-a");
  assert.equal(await partitionCount(target, "grow-b", within()), 2);
});

test("what the target's limit refuses is split, and a record that cannot be is put aside", async () => {
  await ensureTopic(
    source,
    { topic: "large", partitions: 1, config: { "max.message.bytes": "4000000" } },
    within(),
  );
  await ensureTopic(
    target,
    { topic: "large", partitions: 1, config: { "max.message.bytes": "100000" } },
    within(),
  );
  const random = seededRandom(SEED + 5);
  const at = { topic: "large", partition: 0 };
  const huge = { key: null, value: Buffer.alloc(2_000_000, "x"), headers: [], timestampMs: 7 };
  const many = () => randomRecords(random, 400);
  const mixed = [...randomRecords(random, 20), huge, ...randomRecords(random, 20)];
  await produceBatches(source, at, [many(), many(), mixed, [huge], many()], within());
  await using mirror = start("large", { HYBRIDGE_DEAD_LETTER_TOPIC: "large-dead" });
  await untilMirrored(mirror, "large");
  const lost = new Set([400n + 400n + 20n, 400n + 400n + 41n]);
  const { records } = await assertSame("large", new Map([[0, lost]]));
  assert.equal(records, 1240);
  assert.equal(await countRecords(target, "large-dead", within()), 2n);
  const status = await mirror.status();
  assert.equal(status.partitions[0]?.deadLetters, 2n);

  // Killed between the dead letter and its position, it is put aside again and never mirrored twice.
  mirror.kill("SIGKILL");
  await mirror.ended;
  await produceBatches(source, at, [[huge]], within());
  lost.add(1242n);
  const dead = { HYBRIDGE_DEAD_LETTER_TOPIC: "large-dead" };
  await using killed = start("large", {
    ...dead,
    HYBRIDGE_FAILPOINT: "mirror.dead-letter.written",
  });
  assert.equal((await killed.ended).signal, "SIGKILL", killed.log());

  // A restart knows what was put aside and neither repeats nor misses anything.
  await produceBatches(source, at, [many()], within());
  await using again = start("large", dead);
  await untilMirrored(again, "large");
  await assertSame("large", new Map([[0, lost]]));
  assert.equal(await countRecords(target, "large-dead", within()), 4n);
});

const FAILPOINTS = [
  "kafka.fence.open",
  "mirror.fenced",
  "mirror.resumed",
  "mirror.produce.sent",
  "mirror.produce.sent@3",
  "mirror.produce.acked",
  "mirror.produce.acked@4",
  "mirror.positions.before-write",
  "mirror.positions.after-write",
];

test("killed at every failpoint, nothing is lost and nothing comes twice", async () => {
  await ensureTopic(source, { topic: "kills", partitions: 3 }, within());
  const random = seededRandom(SEED + 6);
  for (const name of FAILPOINTS) {
    await fill("kills", random);
    await using mirror = start("kills", { HYBRIDGE_FAILPOINT: name, HYBRIDGE_IN_FLIGHT: "3" });
    assert.equal((await mirror.ended).signal, "SIGKILL", `${name}:\n${mirror.log()}`);
  }
  await fill("kills", random);
  await using mirror = start("kills");
  await untilMirrored(mirror, "kills");
  await assertSame("kills");
});

test("killed at random moments while records stream, the same holds", async () => {
  await ensureTopic(source, { topic: "storm", partitions: 2 }, within());
  const random = seededRandom(SEED + 7);
  for (let round = 0; round < 4; round++) {
    await using mirror = start("storm", { HYBRIDGE_POSITIONS_MS: "60000" });
    const filling = fill("storm", random, 60);
    await mirror.until(({ records }) => records > BigInt(Math.floor(random() * 1_000)));
    mirror.kill("SIGKILL");
    await mirror.ended;
    await filling;
  }
  await using mirror = start("storm");
  await untilMirrored(mirror, "storm");
  await assertSame("storm");
});

test("of two owners the first stops, also when it wakes from a long sleep", async () => {
  await ensureTopic(source, { topic: "owners", partitions: 2 }, within());
  const random = seededRandom(SEED + 8);
  await fill("owners", random);
  await using first = start("owners");
  await untilMirrored(first, "owners");
  first.kill("SIGSTOP");
  await fill("owners", random);
  await using second = start("owners");
  await untilMirrored(second, "owners");
  first.kill("SIGCONT");
  await fill("owners", random);
  assert.equal((await first.ended).code, 1, first.log());
  assert.match(first.log(), /another mirror/);
  await untilMirrored(second, "owners");
  await assertSame("owners");
});

for (const side of ["source", "target"] as const) {
  test(`when the ${side} is killed and comes back, the mirror goes on by itself`, async () => {
    const topic = `bounce-${side}`;
    await ensureTopic(source, { topic, partitions: 2 }, within());
    const random = seededRandom(SEED + 9);
    await fill(topic, random);
    await using mirror = start(topic);
    await untilMirrored(mirror, topic);
    if (side === "target") await fill(topic, random, 40);
    await brokers[side].kill("SIGKILL");
    const status = await mirror.until(({ state }) => state === "DEGRADED");
    assert.notEqual(status?.reason, "");
    await brokers[side].restart();
    await fill(topic, random);
    await untilMirrored(mirror, topic);
    await assertSame(topic);
    assert.ok(await mirror.until(({ state }) => state === "RUNNING"));
  });
}

test("wrong settings and one cluster on both sides end with a named reason", async () => {
  await using loop = start("plain", { HYBRIDGE_TARGET_BOOTSTRAP: source.bootstrap });
  assert.equal((await loop.ended).code, 2);
  assert.match(loop.log(), /are one cluster/);
  await using unknown = start("plain", { HYBRIDGE_TOPIC: "x" });
  assert.equal((await unknown.ended).code, 2);
  assert.match(unknown.log(), /did you mean HYBRIDGE_TOPICS/);
});
