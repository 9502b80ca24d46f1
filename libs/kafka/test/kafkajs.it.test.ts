// kafkajs as the other end: a client that we did not write reads what we write, and the reverse.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startKafka, type Kafka as Broker } from "@hybridge/local";
import { AssignerProtocol, Kafka, logLevel } from "kafkajs";
import {
  commitHint,
  ensureTopic,
  openFencedWriter,
  openReader,
  partitionCount,
  type ClusterOptions,
  type KafkaRecord,
} from "../src/index.ts";
import { openMembership } from "../src/groups.ts";

const signal = AbortSignal.timeout(120_000);
let dir: string;
let broker: Broker;
let cluster: ClusterOptions;
let theirs: Kafka;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "hybridge-kafkajs-"));
  // As a broker from before Kafka 4.0: it knows ConsumerGroupHeartbeat and refuses it.
  const settings = { "group.coordinator.rebalance.protocols": "classic" };
  broker = await startKafka({ dir, settings });
  cluster = { bootstrap: broker.addresses.bootstrap, clientId: "hybridge-test" };
  const brokers = [cluster.bootstrap];
  theirs = new Kafka({ clientId: "other", brokers, logLevel: logLevel.NOTHING });
});

after(async () => {
  await broker.stop();
  rmSync(dir, { recursive: true, force: true });
});

test("kafkajs reads what our writer wrote, and sees our committed offsets", async () => {
  await ensureTopic(cluster, { topic: "ours", partitions: 1 }, signal);
  await using writer = await openFencedWriter({
    cluster,
    transactionalId: "kafkajs-test",
    topic: "ours",
    partitions: [0],
    signal,
    compression: "gzip",
  });
  const posts = Array.from({ length: 500 }, (_, index) => `post ${index} 🐘 مرحبا`);
  await writer.append(
    0,
    posts.map((post, index) => ({
      key: Buffer.from(String(index)),
      value: Buffer.from(post),
      headers: [["hybridge-source", Buffer.from("replay")]],
      timestampMs: 1_700_000_000_000 + index,
    })),
  );

  const consumer = theirs.consumer({ groupId: "reads-ours" });
  await consumer.connect();
  await consumer.subscribe({ topic: "ours", fromBeginning: true });
  const seen: string[] = [];
  const { promise: all, resolve } = Promise.withResolvers<undefined>();
  await consumer.run({
    eachMessage: ({ message }) => {
      seen.push(String(message.value));
      assert.equal(String(message.headers?.["hybridge-source"]), "replay");
      if (seen.length === posts.length) resolve(undefined);
      return Promise.resolve();
    },
  });
  await all;
  await consumer.disconnect();
  assert.deepEqual(seen, posts);

  await commitHint(cluster, "hybridge-hint", "ours", new Map([[0, 123n]]));
  const admin = theirs.admin();
  await admin.connect();
  const [offsets] = await admin.fetchOffsets({ groupId: "hybridge-hint", topics: ["ours"] });
  await admin.disconnect();
  assert.equal(offsets?.partitions[0]?.offset, "123");
});

test("our reader reads what kafkajs wrote, into a topic that kafkajs made", async () => {
  const admin = theirs.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "theirs", numPartitions: 2 }] });
  await admin.disconnect();
  assert.equal(await partitionCount(cluster, "theirs", signal), 2);

  const producer = theirs.producer();
  await producer.connect();
  const messages = [
    { key: null, value: "no key", partition: 1 },
    { key: "k", value: null, partition: 1, headers: { a: ["1", "2"], b: "" } },
    { key: "", value: "", partition: 1, timestamp: "1700000000123" },
  ];
  await producer.send({ topic: "theirs", messages });
  await producer.disconnect();

  const records: KafkaRecord[] = [];
  const positions = new Map([[1, "earliest" as const]]);
  for await (const batch of openReader({ cluster, topic: "theirs", positions, signal })) {
    records.push(...batch.records);
    if (records.length === messages.length) break;
  }
  assert.deepEqual(
    records.map(({ key, value }) => [key?.toString() ?? null, value?.toString() ?? null]),
    [
      [null, "no key"],
      ["k", null],
      ["", ""],
    ],
  );
  const headers = records[1]?.headers.map(([name, value]) => [name, value?.toString()]);
  assert.deepEqual(headers, [
    ["a", "1"],
    ["a", "2"],
    ["b", ""],
  ]);
  assert.equal(records[2]?.timestampMs, 1_700_000_000_123);
});

test("where KIP-848 is refused, a member takes the classic protocol, and kafkajs sees it", async () => {
  await ensureTopic(cluster, { topic: "shared", partitions: 3 }, signal);
  const { promise: assigned, resolve } = Promise.withResolvers<number>();
  await using membership = openMembership({
    cluster,
    group: "falls-back",
    topics: ["shared"],
    signal,
    emit: () => undefined,
    listener: {
      assigned: (partitions) => resolve(partitions.length),
      revoked: () => Promise.resolve(),
      lost: () => undefined,
    },
  });
  assert.equal(await assigned, 3);
  assert.equal(membership.status().protocol, "classic");
  const admin = theirs.admin();
  await admin.connect();
  const { groups } = await admin.describeGroups(["falls-back"]);
  await admin.disconnect();
  assert.deepEqual(
    groups.map(({ state, protocol, members }) => [state, protocol, members.length]),
    [["Stable", "cooperative-sticky", 1]],
  );
  const assignment = groups[0]?.members[0]?.memberAssignment ?? Buffer.alloc(0);
  assert.deepEqual(AssignerProtocol.MemberAssignment.decode(assignment)?.assignment, {
    shared: [0, 1, 2],
  });
});
