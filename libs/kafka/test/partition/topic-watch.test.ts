import assert from "node:assert/strict";
import { test } from "node:test";
import { SeenTopic } from "../../src/partition/topic-watch.ts";

const topic = (topicId: string | undefined, partitions: number) => ({
  topic: "t",
  topicId,
  partitions,
});

test("found, grown, recreated and deleted are told, each once", () => {
  const seen = new SeenTopic();
  const told = [
    undefined,
    topic("a", 3),
    topic("a", 3),
    topic("a", 5),
    undefined, // one broker does not know it for a moment
    topic("a", 5),
    topic("b", 5),
    undefined,
    undefined,
    undefined,
    topic("c", 1),
  ].map((identity) => seen.look(identity)?.kind);
  assert.deepEqual(told, [
    ...[undefined, "found", undefined, "grown", undefined, undefined],
    ...["recreated", undefined, "deleted", undefined, "recreated"],
  ]);
});

test("without ids, fewer partitions are another topic, and one that comes back is found", () => {
  const seen = new SeenTopic();
  const told = [
    topic(undefined, 3),
    topic(undefined, 2),
    undefined,
    undefined,
    topic(undefined, 2),
  ].map((identity) => seen.look(identity)?.kind);
  assert.deepEqual(told, ["found", "recreated", undefined, "deleted", "found"]);
});
