import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ensureTopic } from "@hybridge/kafka";
import { seededRandom } from "@hybridge/kafka/testing";
import { startPair, within } from "./harness.ts";

// Sleeps that outlast every time-out: 20 s for a produce request, 60 s for the fence's transaction,
// and what is left idle for so long is closed by the brokers.

const SEED = 67;
const SLEEP_MS = 63_000;
const STEP_MS = 3_000;

const settings = { "connections.max.idle.ms": "20000" };
const pair = await startPair("mirror-sleep-it", { source: { settings }, target: { settings } });
const { source, start, fill, untilMirrored, assertSame } = pair;
after(() => pair[Symbol.asyncDispose]());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

// Together, because they are nothing but waiting.
describe("past every time-out", { concurrency: 3 }, () => {
  test("an owner that slept wakes beside its successor and doubles nothing", async () => {
    const topic = "slept";
    await ensureTopic(source, { topic, partitions: 2 }, within());
    const random = seededRandom(SEED);
    await fill(topic, random, 20);
    await using first = start(topic);
    await untilMirrored(first, topic);
    // Caught with batches on their way, in the outbox and in both directions of its sockets.
    const filling = fill(topic, random, 200);
    const { records } = await first.status();
    await first.until((status) => status.records > records);
    first.kill("SIGSTOP");
    await filling;
    await using second = start(topic);
    for (const until = Date.now() + SLEEP_MS; Date.now() < until;) {
      await fill(topic, random, 3);
      await pause(STEP_MS);
    }
    await untilMirrored(second, topic);
    const awake = fill(topic, random, 100);
    first.kill("SIGCONT");
    assert.equal((await first.ended).code, 1, first.log());
    assert.match(first.log(), /another mirror/);
    await awake;
    await fill(topic, random, 5);
    await untilMirrored(second, topic);
    const interruptions = second.events().filter(({ event }) => /_failed$/.test(event));
    assert.deepEqual(interruptions, [], "the second was not disturbed");
    await assertSame(topic);
  });

  test("a fence that its owner left open is ended by the coordinator and does not bar the next", async () => {
    const topic = "left-open";
    await ensureTopic(source, { topic, partitions: 1 }, within());
    const random = seededRandom(SEED + 1);
    await fill(topic, random);
    await using first = start(topic);
    await untilMirrored(first, topic);
    first.kill("SIGKILL");
    await first.ended;
    await fill(topic, random);
    await using killed = start(topic, { HYBRIDGE_FAILPOINT: "kafka.fence.open" });
    assert.equal((await killed.ended).signal, "SIGKILL", killed.log());
    await pause(SLEEP_MS);
    await using next = start(topic);
    await untilMirrored(next, topic);
    await assertSame(topic);
  });

  test("an idle mirror whose connections the brokers closed goes on with the next record", async () => {
    const topic = "idle";
    await ensureTopic(source, { topic, partitions: 1 }, within());
    const random = seededRandom(SEED + 2);
    await fill(topic, random, 2);
    await using mirror = start(topic);
    await untilMirrored(mirror, topic);
    await pause(45_000);
    await fill(topic, random, 2);
    await untilMirrored(mirror, topic);
    await assertSame(topic);
  });
});
