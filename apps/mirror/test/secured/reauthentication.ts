import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { test } from "node:test";
import { collectEvents } from "@hybridge/core/testing";
import {
  describeLog,
  ensureTopic,
  openFencedWriter,
  openReader,
  type ClusterOptions,
  type KafkaService,
} from "@hybridge/kafka";
import { Mirror } from "@hybridge/mirror";
import { mirrorOptions, readMirrorConfig } from "../../src/config.ts";
import { within } from "../harness.ts";
import type { SecuredPair } from "./pair.ts";

const TOPIC = "hybrid";
const PARTITIONS = [0, 1, 2];
const RENEWALS = 5;
const RECORDS_AT_ONCE = 40;
const LAST = Buffer.from("last");

/** The connections that this process opens, and how many of them have ended. */
function watchConnections() {
  const seen = { opened: 0, ended: 0 };
  const onSocket = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    seen.opened += 1;
    socket.on("close", () => (seen.ended += 1));
  };
  subscribe("net.client.socket", onSocket);
  return { seen, stop: () => unsubscribe("net.client.socket", onSocket) };
}

/** Appends as fast as it goes until it is enough, one batch under way per partition. */
async function produce(cluster: ClusterOptions, isEnough: () => boolean, signal: AbortSignal) {
  const at = { topic: TOPIC, partitions: PARTITIONS, transactionalId: `hybridge-ingest-${TOPIC}-spool` };
  await using writer = await openFencedWriter({ cluster, ...at, signal });
  const record = { key: null, value: Buffer.alloc(500, "v"), headers: [], timestampMs: 1 };
  const batch = Array.from({ length: RECORDS_AT_ONCE }, () => record);
  return await Promise.all(
    PARTITIONS.map(async (partition) => {
      let count = 1;
      for (; !isEnough(); count += batch.length) await writer.append(partition, batch);
      await writer.append(partition, [{ ...record, key: LAST }]);
      return count;
    }),
  );
}

/** Reads every partition up to its last record; how many there were. */
async function read(cluster: ClusterOptions, outer: AbortSignal): Promise<number[]> {
  const counts = PARTITIONS.map(() => 0);
  const positions = new Map(PARTITIONS.map((partition) => [partition, 0n]));
  let open = PARTITIONS.length;
  for await (const { partition, records } of openReader({
    cluster,
    topic: TOPIC,
    positions,
    signal: outer,
  })) {
    counts[partition] = (counts[partition] ?? 0) + records.length;
    if (records.at(-1)?.key?.equals(LAST)) open -= 1;
    if (open === 0) break;
  }
  return counts;
}

/** How many of the log's offsets are no records: markers of fences, here. */
async function markers(cluster: ClusterOptions, records: readonly number[]): Promise<number[]> {
  const { partitions } = await describeLog(cluster, TOPIC, within());
  return PARTITIONS.map((at) => Number(partitions.get(at)?.end ?? 0n) - (records[at] ?? 0));
}

export function testReauthentication(pair: SecuredPair): void {
  test("while all services work at full rate and log in again five times, nothing fails or starts anew", async (t) => {
    const services = ["ingest", "mirror", "warehouse-internal", "warehouse-external"] as const;
    for (const service of services) await pair.grant(service satisfies KafkaService, {});
    const topic = { topic: TOPIC, partitions: PARTITIONS.length };
    await ensureTopic(pair.as("admin", "source"), topic, within());
    await ensureTopic(pair.as("admin", "target"), topic, within());

    const clusters = {
      ingest: pair.as("ingest", "source"),
      from: pair.as("mirror", "source"),
      to: pair.as("mirror", "target"),
      internal: pair.as("warehouse-internal", "source"),
      external: pair.as("warehouse-external", "target"),
    };
    const all = Object.values(clusters);
    const connections = watchConnections();
    let endedMeanwhile: number | undefined;
    const isEnough = () => {
      const logins = all.map((cluster) => cluster.logins());
      const total = logins.reduce((sum, count) => sum + count);
      const isRenewed = total >= (RENEWALS + 1) * connections.seen.opened;
      if (!isRenewed || logins.some((count) => count <= RENEWALS)) return false;
      endedMeanwhile ??= connections.seen.ended;
      return true;
    };
    const told = collectEvents();
    const config = readMirrorConfig({
      HYBRIDGE_SOURCE_BOOTSTRAP: clusters.from.bootstrap,
      HYBRIDGE_TARGET_BOOTSTRAP: clusters.to.bootstrap,
    });
    const mirror = new Mirror({
      ...mirrorOptions(config),
      source: clusters.from,
      target: clusters.to,
      emit: told.emit,
    });
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(240_000)]);
    const mirroring = mirror.run(signal);
    const working = Promise.all([
      produce(clusters.ingest, isEnough, signal),
      read(clusters.internal, signal),
      read(clusters.external, signal),
    ]);
    const endedEarly = mirroring.then(() => Promise.reject(new Error("the mirror ended")));
    const [written, fromSource, fromTarget] = await Promise.race([working, endedEarly]).catch(
      (error: unknown) => {
        stop.abort();
        throw error;
      },
    );
    const states = [...mirror.partitions.values()].map(({ state, reason }) => [state, reason]);
    stop.abort();
    await mirroring;
    connections.stop();
    const logins = all.map((cluster) => cluster.logins()).join(" + ");
    const { opened } = connections.seen;
    t.diagnostic(`${written.join(" + ")} records, ${opened} connections, ${logins} logins`);

    assert.equal(endedMeanwhile, 0, "connections ended while everybody worked");
    assert.deepEqual([fromSource, fromTarget], [written, written]);
    assert.deepEqual(states, [
      ["MIRRORING", ""],
      ["MIRRORING", ""],
      ["MIRRORING", ""],
    ]);
    const worse = told.events.filter(({ level }) => level === "warn" || level === "error");
    assert.deepEqual(worse, []);
    assert.equal(told.names().filter((name) => name === "mirror.partition_started").length, 3);
    assert.deepEqual(await markers(pair.as("admin", "source"), written), [1, 1, 1]);
    assert.deepEqual(await markers(pair.as("admin", "target"), written), [1, 1, 1]);
  });
}
