import assert from "node:assert/strict";
import { test } from "node:test";
import { Semaphore } from "@hybridge/core";
import { UnknownTopicError } from "@hybridge/kafka";
import type { Fencer } from "@hybridge/kafka/raw";
import type { MirrorContext } from "../src/context.ts";
import { TargetDeletedError } from "../src/errors.ts";
import { takeOver } from "../src/tenure/take-over.ts";

const route = { sourceTopic: "posts", targetTopic: "posts", partition: 0 };
const never = new AbortController().signal;
const ids = { source: "a".repeat(32), target: "b".repeat(32) };

function contextWith(more: object): MirrorContext {
  return {
    source: { topic: () => Promise.resolve({ id: ids.source }) },
    target: { topic: () => Promise.resolve({ id: ids.target }) },
    takeOvers: new Semaphore(1),
    ...more,
  } as unknown as MirrorContext;
}

test("a partition whose marker does not come holds no turn: the others take over meanwhile", async () => {
  const context = contextWith({});
  const begun: string[] = [];
  const fencerOf = (name: string, marked: () => Promise<never>) =>
    ({
      begin: () => {
        begun.push(name);
        return Promise.resolve();
      },
      markedWithin: () => Promise.resolve(undefined),
      marked,
    }) as unknown as Fencer;
  const stuck = () => new Promise<never>(() => undefined);
  for (let count = 0; count < 20; count++) {
    void takeOver(context, route, fencerOf("stuck", stuck), () => undefined, never);
  }
  const arrived = () => Promise.reject(new Error("it has come to its marker"));
  const other = takeOver(context, route, fencerOf("other", arrived), () => undefined, never);
  await assert.rejects(other, /come to its marker/);
  assert.equal(begun.length, 21);
});

const gone = () => Promise.reject(new UnknownTopicError("look up topic posts: there is none"));
const DELETED = [
  { listed: "twice not", isGone: true, held: [ids.target], policy: "stop", isTold: true },
  { listed: "once not", isGone: false, held: [ids.target], policy: "stop", isTold: false },
  { listed: "twice not, and had nothing", isGone: true, held: [], policy: "stop", isTold: false },
  { listed: "twice not", isGone: true, held: [ids.target], policy: "copy", isTold: false },
] as const;

for (const { listed, isGone, held, policy, isTold } of DELETED) {
  const outcome = isTold ? "is told to be deleted" : "is waited for";
  test(`a target that was ${listed} listed ${outcome} under the policy ${policy}`, async () => {
    const context = contextWith({
      target: { topic: gone },
      targets: { isGone: () => isGone },
      positions: { targetIds: () => new Set(held) },
      onTargetDeletion: policy,
    });
    const nobody = undefined as unknown as Fencer;
    const taking = takeOver(context, route, nobody, () => undefined, never);
    await assert.rejects(taking, isTold ? TargetDeletedError : UnknownTopicError);
  });
}
