import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ensureTopic, FencedError, readOffsets } from "@hybridge/kafka";
import { Cluster, Fencer } from "@hybridge/kafka/raw";
import { startProxied } from "../support/proxied-cluster.ts";
import { apiKeys } from "../support/proxy.ts";
import { sleep } from "./mirror/faults.ts";

// Owners that lose sight of the coordinator while their transaction is open: who may come back?

const SHORT_MS = 1_000;
/** For longer than the tests need an owner to be remembered. */
const REMEMBERED_MS = 6_000;
const dir = mkdtempSync(join(tmpdir(), "hybridge-fence-"));
const { proxy, direct, proxied, ...kafka } = await startProxied(dir, "fence", {
  settings: {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
    "transactional.id.expiration.ms": String(REMEMBERED_MS),
    "transaction.remove.expired.transaction.cleanup.interval.ms": "500",
  },
});
const within = () => AbortSignal.timeout(60_000);
const sleepers = new Cluster({ bootstrap: proxied, clientId: "sleeper" });
const others = new Cluster(direct);
after(async () => {
  await sleepers[Symbol.asyncDispose]();
  await others[Symbol.asyncDispose]();
  await kafka[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

/** An owner whose connection ended when its partition had just been added to a transaction. */
async function fallAsleep(topic: string, timeoutMs?: number) {
  await ensureTopic(direct, { topic, partitions: 1 }, within());
  const at = { transactionalId: topic, topic, partitions: [0] };
  const sleeper = new Fencer(sleepers, timeoutMs === undefined ? at : { ...at, timeoutMs });
  const { producerId, producerEpoch } = await sleeper.take(within());
  sleeper.confirm();
  const end = await endOf(topic);
  const answers = proxy.swallowAnswers(apiKeys.addPartitionsToTxn);
  const attempt = assert.rejects(sleeper.take(within()), { code: "KAFKA_CONNECTION" });
  while (answers.count === 0) await sleep(5);
  answers.end();
  await attempt;
  return { sleeper, end, producerId, producerEpoch, successor: new Fencer(others, at) };
}

/** Until the coordinator has ended the transaction of its own accord: its marker is in the log. */
async function untilEnded(topic: string, end: bigint): Promise<void> {
  while ((await endOf(topic)) === end) await sleep(50);
}

async function endOf(topic: string): Promise<bigint> {
  const end = (await readOffsets(direct, topic, within())).get(0)?.end;
  assert.ok(end !== undefined);
  return end;
}

test("who comes back in time goes on, under the epoch that follows", async () => {
  const { sleeper, producerId, producerEpoch } = await fallAsleep("in-time");
  const fence = await sleeper.take(within());
  assert.equal(fence.producerId, producerId);
  assert.equal(fence.producerEpoch, producerEpoch + 2);
});

test("who was replaced meanwhile does not come back, and leaves the successor alone", async () => {
  const { sleeper, successor } = await fallAsleep("replaced");
  await successor.take(within());
  successor.confirm();
  await assert.rejects(sleeper.take(within()), FencedError);
  await assert.rejects(sleeper.take(within()), FencedError);
  assert.equal((await successor.take(within())).isContinued, true);
});

test("who was away until the coordinator ended the transaction goes on like a newcomer", async () => {
  const { sleeper, end } = await fallAsleep("timed-out", SHORT_MS);
  await untilEnded("timed-out", end);
  assert.equal((await sleeper.take(within())).isContinued, false);
});

test("who stood still with its transaction open goes on like a newcomer, too", async () => {
  const topic = "stood-still";
  await ensureTopic(direct, { topic, partitions: 1 }, within());
  const at = { transactionalId: topic, topic, partitions: [0], timeoutMs: SHORT_MS };
  const sleeper = new Fencer(sleepers, at);
  await sleeper.take(within());
  sleeper.confirm();
  const end = await endOf(topic);
  // The answer that its partition was added comes when the coordinator has ended the transaction.
  proxy.delay(3 * SHORT_MS);
  const taking = sleeper.take(within());
  await untilEnded(topic, end);
  proxy.delay(0);
  assert.equal((await taking).isContinued, false);
});

test("who was away until the coordinator forgot it goes on like a newcomer", async () => {
  const { sleeper, end, producerId } = await fallAsleep("forgotten", SHORT_MS);
  await untilEnded("forgotten", end);
  await sleep(REMEMBERED_MS + 2_000);
  const fence = await sleeper.take(within());
  assert.equal(fence.isContinued, false);
  assert.notEqual(fence.producerId, producerId);
});
