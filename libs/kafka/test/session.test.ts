import assert from "node:assert/strict";
import { test } from "node:test";
import { FetchSession } from "../src/wire/fetch-session.ts";

const at = (partition: number, offset: bigint) => ({
  topicId: "ab".repeat(16),
  partition,
  offset,
  lastEpoch: -1,
  bytesMax: 1,
});

test("a session says everything once, then only what changed, and forgets what is paused", () => {
  const session = new FetchSession();
  const first = session.next([at(0, 0n), at(1, 0n)]);
  assert.deepEqual([first.sessionId, first.sessionEpoch, first.partitions.length], [0, 0, 2]);
  session.answered(7);
  const second = session.next([at(0, 5n), at(1, 0n)]);
  assert.deepEqual([second.sessionId, second.sessionEpoch], [7, 1]);
  assert.deepEqual(
    second.partitions.map(({ partition, offset }) => [partition, offset]),
    [[0, 5n]],
  );
  session.answered(7);
  const third = session.next([at(1, 0n)]);
  assert.deepEqual(third.partitions, []);
  assert.deepEqual(
    third.forgotten.map(({ partition }) => partition),
    [0],
  );
  session.answered(7);
  assert.equal(session.next([at(0, 5n), at(1, 0n)]).partitions[0]?.partition, 0);
});

test("after a reset, and with a broker that keeps no sessions, everything is said", () => {
  const session = new FetchSession();
  session.next([at(0, 0n)]);
  session.answered(7);
  session.reset();
  assert.deepEqual(
    [session.next([at(0, 0n)]).sessionEpoch, session.next([at(0, 0n)]).partitions.length],
    [0, 1],
  );
  session.answered(0);
  assert.equal(session.next([at(0, 0n)]).partitions.length, 1);
});
