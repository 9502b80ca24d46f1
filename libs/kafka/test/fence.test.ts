import assert from "node:assert/strict";
import { test } from "node:test";
import type { MonotonicClock } from "@hybridge/core";
import { Cluster } from "../src/cluster.ts";
import { Fencer } from "../src/fence.ts";
import { listOffsetsApi } from "../src/wire/list-offsets.ts";
import { fetchApi } from "../src/wire/fetch.ts";
import {
  addPartitionsToTxnApi,
  endTxnApi,
  findCoordinatorApi,
  initProducerIdApi,
} from "../src/wire/transaction.ts";
import { ProtocolWriter } from "../src/wire/writer.ts";
import { markerOf, startStubBroker, topicMetadataOf } from "./stub-broker.ts";

// A coordinator that does all it is asked to, and a partition that accepts no writes: the marker of
// a fence comes when the test says so, and a real broker cannot be made to do that.

const METADATA = 3;
const TOPIC_ID = "ab".repeat(16);
const never = new AbortController().signal;
const at = { transactionalId: "m/t/0", topic: "t", partitions: [0] };
const none = () => undefined;

/** A clock that moves when somebody sleeps. */
function makeClock(): MonotonicClock {
  let at = 0;
  return {
    now: () => at,
    monotonic: () => at,
    sleep: (ms) => {
      at += ms;
      return Promise.resolve();
    },
  };
}

async function startCoordinator() {
  const broker = await startStubBroker();
  const asked = { initProducerId: 0, fetch: 0, findCoordinator: 0 };
  const log = { hasMarker: false, waitMs: [] as number[] };
  const { handlers, port } = broker;
  handlers.set(METADATA, () => topicMetadataOf({ nodeId: 1, port }, { name: "t", id: TOPIC_ID }));
  handlers.set(findCoordinatorApi.key, () => {
    asked.findCoordinator += 1;
    const body = new ProtocolWriter().i32(0).array([0], (item) => {
      item.compactString(at.transactionalId).i32(1).compactString("127.0.0.1").i32(port);
      item.i16(0).compactString(null).noTags();
    });
    return body.noTags();
  });
  handlers.set(initProducerIdApi.key, () => {
    asked.initProducerId += 1;
    return new ProtocolWriter().i32(0).i16(0).i64(7n).i16(asked.initProducerId).noTags();
  });
  handlers.set(addPartitionsToTxnApi.key, () =>
    new ProtocolWriter()
      .i32(0)
      .array(["t"], (item, name) => {
        item.compactString(name).array([0], (entry) => entry.i32(0).i16(0).noTags());
        item.noTags();
      })
      .noTags(),
  );
  handlers.set(endTxnApi.key, () => new ProtocolWriter().i32(0).i16(0).noTags());
  handlers.set(listOffsetsApi.key, () =>
    new ProtocolWriter()
      .i32(0)
      .array(["t"], (item, name) => {
        item.compactString(name).array([0], (entry) => {
          entry.i32(0).i16(0).i64(-1n).i64(5n).i32(0).noTags();
        });
        item.noTags();
      })
      .noTags(),
  );
  handlers.set(fetchApi.key, (request) => {
    asked.fetch += 1;
    request.i32(); // replica
    log.waitMs.push(request.i32());
    const marker = markerOf({ producerId: 7n, producerEpoch: asked.initProducerId }, 5n);
    const records = log.hasMarker ? marker : Buffer.alloc(0);
    const body = new ProtocolWriter().i32(0).i16(0).i32(0);
    body.array([0], (topic) => {
      topic.uuid(TOPIC_ID).array([0], (item) => {
        item.i32(0).i16(0).i64(6n).i64(6n).i64(0n).array([], none);
        item.i32(-1).compactBytes(records).noTags();
      });
      topic.noTags();
    });
    return body.noTags();
  });
  const cluster = new Cluster({ bootstrap: `127.0.0.1:${port}`, clientId: "t" });
  return {
    ...{ cluster, asked, log },
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

test("a marker that is not written in time is told, and waited for without another fence", async () => {
  await using coordinator = await startCoordinator();
  const { cluster, asked, log } = coordinator;
  const fencer = new Fencer(cluster, { ...at, markerWaitMs: 20, clock: makeClock() });
  await assert.rejects(fencer.take(never), { code: "KAFKA_TIMEOUT", message: /min\.insync/ });
  await assert.rejects(fencer.take(never), { code: "KAFKA_TIMEOUT" });
  assert.equal(asked.initProducerId, 1);
  assert.ok(asked.fetch > 2, "it was looked for more than once");
  assert.deepEqual([...new Set(log.waitMs)], [0], "nothing stands in line behind a look");
  log.hasMarker = true;
  const fence = await fencer.take(never);
  assert.deepEqual([fence.producerEpoch, fence.endOffsets.get(0)], [1, 6n]);
  assert.equal(asked.initProducerId, 1);
});

test("a marker that does not come for long may be lost: another one is written", async () => {
  await using coordinator = await startCoordinator();
  const { cluster, asked, log } = coordinator;
  const fencer = new Fencer(cluster, { ...at, markerWaitMs: 5, clock: makeClock() });
  for (let look = 0; look < 3; look++) await assert.rejects(fencer.take(never));
  log.hasMarker = true;
  assert.equal((await fencer.take(never)).producerEpoch, 2);
  assert.equal(asked.findCoordinator, 1, "the coordinator is remembered");
});
