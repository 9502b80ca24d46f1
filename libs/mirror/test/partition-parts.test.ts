import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@hybridge/core/testing";
import { errorCode } from "@hybridge/kafka/raw";
import { LagClock } from "../src/lag-clock.ts";
import { Lifecycle } from "../src/lifecycle.ts";
import { Positions } from "../src/positions/positions.ts";
import { remedyFor } from "../src/tenure/refusals.ts";
import type { SentBatch } from "../src/tenure/in-flight.ts";

const run = (sourceOffset: bigint, targetOffset: bigint, count: bigint) => ({
  sourceOffset,
  targetOffset,
  count,
  epoch: -1,
});

test("what is in hand tells its age; otherwise it counts from when all was well", () => {
  let now = 1_000;
  const clock = new LagClock(() => now);
  now = 1_500;
  assert.equal(clock.ageMs(undefined), 500, "from the start, when nothing else is known");
  assert.equal(clock.isKnown, false);
  assert.equal(clock.ageMs(200), 1_300);
  clock.reached(700);
  assert.deepEqual([clock.isKnown, clock.ageMs(undefined)], [true, 800]);
  clock.caughtUp();
  now = 2_500;
  assert.equal(clock.ageMs(undefined), 1_000);
  clock.reached(600);
  assert.equal(clock.ageMs(undefined), 1_000, "old records say nothing new");
  clock.reached(9_000);
  assert.equal(clock.ageMs(undefined), 0);
  now = 2_600;
  assert.equal(clock.ageMs(undefined), 100, "a time from the future hides no lag");
});

test("waiting for a phase ends when it comes, or with the signal", async () => {
  const phase = new Lifecycle();
  const stop = new AbortController();
  const paused = phase.until(() => phase.state === "PAUSED", stop.signal);
  const never = phase.until(() => phase.state === "FAILED", stop.signal);
  phase.set("MIRRORING");
  phase.set("PAUSED", "why");
  await paused;
  assert.equal(phase.reason, "why");
  stop.abort(new Error("too late"));
  await assert.rejects(never, /too late/);
});

const sent = (counts: readonly number[], length: number): SentBatch => ({
  parts: counts.map((count, index) => ({
    kind: "batch" as const,
    bytes: Buffer.alloc(0),
    count,
    runs: [{ sourceOffset: BigInt(index * 10), count }],
    epoch: -1,
  })),
  frames: [],
  expected: 0n,
  baseSequence: 0,
  count: 0,
  bytes: Buffer.alloc(length),
  header: undefined,
  timestampMs: 0,
});

test("what the target refuses says how to cut, or is an error", () => {
  const at = { topic: "t", partition: 0, baseOffset: -1n, message: "no" };
  const answer = (error: number, ...indexes: number[]) => ({
    ...at,
    error,
    recordErrors: indexes.map((index) => ({ index, message: `wrong ${index}` })),
  });
  const none = new Map<bigint, string>();
  assert.deepEqual(remedyFor(sent([3], 500), answer(errorCode.messageTooLarge)), {
    refused: none,
    isSuspect: false,
    tooLarge: 500,
  });
  assert.deepEqual(remedyFor(sent([3], 9), answer(errorCode.invalidRecord)), {
    refused: none,
    isSuspect: true,
  });
  assert.deepEqual(remedyFor(sent([1], 9), answer(errorCode.invalidTimestamp)), {
    refused: new Map([[0n, "no"]]),
    isSuspect: false,
  });
  assert.deepEqual(remedyFor(sent([3, 2], 9), answer(errorCode.invalidRecord, 1, 4)), {
    refused: new Map([
      [1n, "wrong 1"],
      [11n, "wrong 4"],
    ]),
    isSuspect: false,
  });
  assert.equal(remedyFor(sent([1], 9), answer(errorCode.notLeader)), undefined);
});

const who = { mirrorId: "m", sourceClusterId: "c" };

test("what an earlier topic of the name left in the same target is known, and not mixed", () => {
  const all = new Positions({
    target: undefined as never,
    emit: () => undefined,
    clock: new FakeClock(),
    ...who,
  });
  const owner = (sourceTopicId: string, targetTopicId = "t") => ({
    sourceTopic: "hybrid",
    sourceTopicId,
    targetTopic: "hybrid",
    targetTopicId,
    partition: 0,
  });
  const scope = (id: string, target?: string) => ({ ...owner(id, target), ...who });
  const old = all.of(owner("old"));
  old.add(run(0n, 1n, 10n));
  old.add(run(20n, 15n, 5n));
  old.addDeadLetter(30n, 1n);
  assert.equal(all.of(owner("old")), old, "the same owner has the same positions");
  assert.equal(all.formerEnd(scope("old")), undefined);
  assert.equal(all.formerEnd(scope("new")), 20n);
  assert.equal(all.of(owner("new")).end, undefined);
  assert.equal(all.formerEnd(scope("new", "another target")), undefined);
  assert.equal(all.formerEnd({ ...scope("new"), partition: 1 }), undefined);
});
