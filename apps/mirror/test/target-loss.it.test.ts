import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { ensureTopic, readOffsets } from "@hybridge/kafka";
import { produceBatches, randomRecords, seededRandom } from "@hybridge/kafka/testing";
import { callUnary } from "@hybridge/rpc";
import { startPair, within } from "./harness.ts";
import { cutOff, newestSegment, readSegment } from "./log-file.ts";
import type { MirrorProcess } from "./mirror-process.ts";

// The target loses records that it had acknowledged, as after an unclean election or from a restored
// disk. Each start of a mirror since puts a marker where a record had been.

const SEED = 41;
const RECORDS = 30;
const LOST = 2;

const pair = await startPair("mirror-target-loss-it");
const { brokers, dir, source, target, start, untilMirrored, assertSame } = pair;
after(() => pair[Symbol.asyncDispose]());

/** Mirrors a topic of one-record batches, then takes the last ones off the target's disk. */
async function mirrorAndLose(topic: string): Promise<void> {
  await ensureTopic(source, { topic, partitions: 1 }, within());
  const random = seededRandom(SEED);
  const lists = Array.from({ length: RECORDS }, () => randomRecords(random, 1));
  await produceBatches(source, { topic, partition: 0 }, lists, within());
  await using mirror = start(topic);
  await untilMirrored(mirror, topic);
  mirror.kill("SIGTERM");
  assert.equal((await mirror.ended).code, 0, mirror.log());
  await brokers.target.kill("SIGKILL");
  const file = newestSegment(join(dir, "target"), topic);
  const first = readSegment(file).at(-LOST);
  assert.ok(first, "there is something to lose");
  cutOff(file, first.at);
  await brokers.target.restart();
  const end = (await readOffsets(target, topic, within())).get(0)?.end;
  assert.equal(end, BigInt(1 + RECORDS - LOST), "the fence, and all records but those");
}

const lossIn = (mirror: MirrorProcess) =>
  mirror
    .events()
    .filter(({ event }) => event === "mirror.target_lost")
    .map(
      ({ records, firstSourceOffset, lastSourceOffset, firstTargetOffset, lastTargetOffset }) => ({
        records,
        source: [firstSourceOffset, lastSourceOffset],
        target: [firstTargetOffset, lastTargetOffset],
      }),
    );

const THE_LOSS = { records: "2", source: ["28", "29"], target: ["29", "30"] };

test("a loss in the target is told with its exact range, however many markers cover it", async () => {
  const topic = "lost";
  await mirrorAndLose(topic);
  for (let count = 0; count <= LOST + 1; count++) {
    await using mirror = start(topic);
    assert.equal((await mirror.ended).code, 1, mirror.log());
    assert.match(mirror.log(), /MIRROR_TARGET_LOST/);
    assert.deepEqual(lossIn(mirror), [THE_LOSS], `start ${count + 1}`);
  }
});

test("what the target lost is copied again if so set, and is no loss any more", async () => {
  const topic = "copied-again";
  await mirrorAndLose(topic);
  const settings = { HYBRIDGE_ON_TARGET_LOSS: "copy" };
  await using mirror = start(topic, settings);
  await untilMirrored(mirror, topic);
  await assertSame(topic);
  assert.deepEqual(lossIn(mirror), [THE_LOSS]);
  mirror.kill("SIGKILL");
  await mirror.ended;
  await using again = start(topic, settings);
  await untilMirrored(again, topic);
  await assertSame(topic);
  assert.deepEqual(lossIn(again), []);
  const client = await again.client();
  const translate = async (sourceOffset: bigint) => {
    const request = { sourceTopic: topic, partition: 0, sourceOffset };
    const answer = await callUnary(client.translateOffset.bind(client), request, {
      deadlineMs: 5_000,
    });
    return [answer.targetOffset, answer.exact];
  };
  assert.deepEqual(await translate(27n), [28n, true]);
  // Behind the fence of the mirror that found the loss.
  assert.deepEqual(await translate(28n), [30n, true]);
});
