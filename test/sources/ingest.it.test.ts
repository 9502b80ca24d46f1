// Ingest as a process between both simulated sources and a real Kafka: what the sources say is in the
// topic once, byte for byte, also when the process is killed and when Kafka is away.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { serviceEnvironment, serviceFlags, systemClock } from "@hybridge/core";
import { countRecords, openReader } from "@hybridge/kafka";
import { seededRandom } from "@hybridge/kafka/testing";
import { startKafka } from "@hybridge/local";
import { readPosts } from "@hybridge/tweet";
import { serveJetstream } from "./jetstream/jetstream-server.ts";
import { isRecord, Network } from "./jetstream/network-log.ts";
import { MadePosts } from "./made-posts.ts";
import { keyOf } from "./memory-sink.ts";
import { serveX } from "./x/x-server.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const PARTITIONS = 3;

/** An ingest as its own process; leaving the scope kills it. */
function startIngest(env: Readonly<Record<string, string>>): AsyncDisposable {
  const child = spawn(process.execPath, [...serviceFlags, "apps/ingest/src/main.ts"], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...serviceEnvironment, ...env },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await once(child, "close");
    },
  };
}

test("what both sources say is in Kafka once, whatever is killed on the way", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-live-it-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const kafka = await startKafka({ dir: join(dir, "kafka") });
  t.after(() => kafka.stop());
  await using x = await serveX({ token: "t", plan: "pay-per-use" });
  await using east = await serveJetstream({ firstSeq: 10, delayMs: 0 });
  await using west = await serveJetstream({ firstSeq: 90_000, delayMs: 20 });
  const network = new Network(3, seededRandom(3));
  const posts = new MadePosts(3, "x.v2");
  const { bootstrap } = kafka.addresses;
  const cluster = { bootstrap, clientId: "test" };
  const { signal } = new AbortController();
  const env = {
    HYBRIDGE_SOURCE_BOOTSTRAP: bootstrap,
    HYBRIDGE_TOPIC: "live",
    HYBRIDGE_TOPIC_PARTITIONS: String(PARTITIONS),
    HYBRIDGE_FEEDS: "x,bluesky",
    HYBRIDGE_SPOOL_DIR: join(dir, "spool"),
    HYBRIDGE_DEAD_LETTER_DIR: join(dir, "dead-letters"),
    HYBRIDGE_X_URL: x.url,
    HYBRIDGE_X_BEARER_TOKEN: "t",
    HYBRIDGE_X_KEYWORDS: "hybridge",
    HYBRIDGE_BLUESKY_ENDPOINTS: `${east.url},${west.url}`,
    HYBRIDGE_RPC_PORT: "0",
  };
  const expected: string[] = [];
  const happen = (times: number) => {
    for (let time = 0; time < times; time++) {
      const happening = network.happen(Date.now());
      for (const { instance } of [east, west]) instance.see(happening);
      const { kind, did, payload } = happening;
      if (isRecord(happening)) expected.push(...keysIn(frameOf({ kind, did, payload })));
    }
  };
  const publish = (times: number) => {
    for (let time = 0; time < times; time++) {
      const json = posts.next(Date.now());
      x.simulator.publish(json);
      expected.push(...keysIn(Buffer.from(json)));
    }
  };
  const untilThere = async () => {
    const limit = AbortSignal.timeout(120_000);
    for (;;) {
      const there = await countRecords(cluster, "live", signal).catch(() => 0n);
      if (there >= BigInt(expected.length)) return;
      assert.ok(!limit.aborted, `${there} of ${expected.length} records`);
      await systemClock.sleep(100);
    }
  };
  const untilConnected = async (isWanted: boolean) => {
    const limit = AbortSignal.timeout(60_000);
    const isSo = () => {
      const subscribers = east.instance.subscribers + west.instance.subscribers;
      return [x.simulator.connections, subscribers].every((count) => count > 0 === isWanted);
    };
    while (!isSo()) {
      assert.ok(!limit.aborted, isWanted ? "nobody came to the sources" : "somebody stayed there");
      await systemClock.sleep(50);
    }
  };
  for (let round = 0; round < 3; round++) {
    // What X says to a dead connection is gone.
    await untilConnected(false);
    await using _ingest = startIngest(env);
    await untilConnected(true);
    publish(100);
    happen(150);
    x.simulator.disconnect("repeat");
    for (const { instance } of [east, west]) instance.disconnect("reset");
    await untilThere();
    // Killed in the middle of what Bluesky says; X gives nothing twice.
    happen(150);
  }
  {
    await using _ingest = startIngest(env);
    await untilThere();
  }
  const found: string[] = [];
  const ended = new AbortController();
  const positions = new Map(
    Array.from({ length: PARTITIONS }, (_, partition) => [partition, "earliest" as const]),
  );
  for await (const { records } of openReader({
    cluster,
    topic: "live",
    positions,
    signal: ended.signal,
  })) {
    for (const { key, value, headers } of records) {
      assert.ok(value);
      const [only = "", ...others] = keysIn(value);
      assert.deepEqual(others, []);
      found.push(only);
      assert.equal(key?.toString("utf8"), only.split(" ")[1]);
      const header = (name: string) => {
        return headers.find(([each]) => each === name)?.[1]?.toString("utf8");
      };
      assert.equal(header("hybridge-source"), only.includes("did:") ? "bluesky" : "x");
      assert.equal(header("hybridge-op") ?? "upsert", only.split(" ")[0]);
    }
    if (found.length >= expected.length) break;
  }
  assert.deepEqual(found.sort(), expected.sort());
});

function frameOf({ kind, did, payload }: { kind: string; did: string; payload: object }): Buffer {
  const $type = `network.bsky.jetstream.subscribeEvents#${kind}`;
  return Buffer.from(JSON.stringify({ $type: "message", payload: { $type, did, ...payload } }));
}

/** What makes a record: operation, id and version. */
function keysIn(bytes: Buffer): string[] {
  return readPosts(bytes).flatMap((reading) => {
    if (!("fields" in reading)) return [];
    const { op, version } = reading.fields;
    return [keyOf({ id: reading.id, op, version: version ?? "" })];
  });
}
