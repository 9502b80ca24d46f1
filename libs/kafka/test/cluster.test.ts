import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "../src/cluster.ts";
import { produceApi } from "../src/wire/produce.ts";
import { ProtocolWriter } from "../src/wire/writer.ts";
import { metadataOf, startStubBroker } from "./stub-broker.ts";

const METADATA = 3;
const never = new AbortController().signal;

test("a broker that cannot be reached is tried once, and not before each request", async () => {
  // One that takes the connection and ends it on the first request.
  await using dead = await startStubBroker();
  await using alive = await startStubBroker();
  const brokers = [
    { nodeId: 1, port: dead.port },
    { nodeId: 2, port: alive.port },
  ];
  alive.handlers.set(METADATA, () => metadataOf(brokers));
  await using cluster = new Cluster({
    bootstrap: `127.0.0.1:${dead.port},127.0.0.1:${alive.port}`,
    clientId: "t",
  });
  for (let count = 0; count < 5; count++) await cluster.describe([], never);
  assert.equal(dead.connections, 1);
});

test("a broker that left the cluster is not asked any more", async () => {
  await using gone = await startStubBroker();
  await using left = await startStubBroker();
  let isThere = true;
  const brokers = () => [
    ...(isThere ? [{ nodeId: 1, port: gone.port }] : []),
    { nodeId: 2, port: left.port },
  ];
  for (const broker of [gone, left]) broker.handlers.set(METADATA, () => metadataOf(brokers()));
  await using cluster = new Cluster({ bootstrap: `127.0.0.1:${left.port}`, clientId: "t" });
  await cluster.describe([], never);
  isThere = false;
  await cluster.describe([], never);
  await assert.rejects(cluster.connection(1, "control", never), /no longer lists it/);
});

/** Longer than a busy machine holds up a timer. */
const PATIENCE_MS = 1_500;
const PIECES = 5;

test("an answer that is on its way for longer than a request may take is waited for", async () => {
  await using broker = await startStubBroker();
  const piece = Buffer.alloc(64, 1);
  broker.handlers.set(METADATA, () => metadataOf([{ nodeId: 1, port: broker.port }]));
  broker.handlers.set(produceApi.key, (_, socket) => {
    // The head of a frame; what it announces comes bit by bit, as over a slow link.
    const head = Buffer.alloc(9);
    head.writeInt32BE(5 + PIECES * piece.length, 0);
    head.writeInt32BE(2, 4);
    socket.write(head);
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(piece);
      sent += 1;
      if (sent === PIECES) clearInterval(timer);
    }, PATIENCE_MS / 3);
    return undefined;
  });
  await using cluster = new Cluster({ bootstrap: `127.0.0.1:${broker.port}`, clientId: "t" });
  await cluster.describe([], never);
  const connection = await cluster.connection(1, "fetch", never);
  const request = new ProtocolWriter().noTags();
  const answer = await connection.request(produceApi, request, { timeoutMs: PATIENCE_MS });
  assert.equal(answer.remaining, PIECES * piece.length);
});

test("a broker that is silent is given up, unless it said that it would be", async () => {
  await using broker = await startStubBroker();
  broker.handlers.set(METADATA, () => metadataOf([{ nodeId: 1, port: broker.port }]));
  broker.handlers.set(produceApi.key, () => undefined);
  await using cluster = new Cluster({ bootstrap: `127.0.0.1:${broker.port}`, clientId: "t" });
  await cluster.describe([], never);
  const ask = async (lane: "fetch" | "scan", throttledMs: number) => {
    const connection = await cluster.connection(1, lane, never);
    connection.throttled(throttledMs);
    const asked = connection.request(produceApi, new ProtocolWriter().noTags(), { timeoutMs: 20 });
    return { connection, asked };
  };
  const { connection, asked } = await ask("fetch", 3_600_000);
  const failing = assert.rejects(asked, { code: "KAFKA_CONNECTION" });
  // Asked later, and for as long.
  await assert.rejects((await ask("scan", 0)).asked, { code: "KAFKA_TIMEOUT" });
  assert.equal(connection.alive, true);
  connection.destroy();
  await failing;
});
