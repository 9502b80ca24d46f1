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

test("a session says everything once, then what changed, with an epoch that counts", () => {
  const session = new FetchSession();
  const first = session.whole([at(0, 0n), at(1, 0n)]);
  assert.deepEqual([first.sessionId, first.sessionEpoch, first.partitions.length], [0, 0, 2]);
  assert.equal(session.isOpen, false);
  session.answered(7);
  assert.equal(session.isOpen, true);
  const second = session.next([at(0, 5n)], [at(1, 0n)]);
  assert.deepEqual([second.sessionId, second.sessionEpoch], [7, 1]);
  session.answered(7);
  assert.equal(session.next([], []).sessionEpoch, 2);
});

test("after a reset, and with a broker that keeps no sessions, everything is said", () => {
  const session = new FetchSession();
  session.whole([at(0, 0n)]);
  session.answered(7);
  session.reset();
  assert.equal(session.isOpen, false);
  session.answered(0);
  assert.equal(session.isOpen, false);
});

test("without a session the order changes from request to request", () => {
  const session = new FetchSession();
  const all = [at(0, 0n), at(1, 0n), at(2, 0n)];
  const firsts = [1, 2, 3].map(() => session.whole(all).partitions[0]?.partition);
  assert.deepEqual(firsts, [1, 2, 0]);
});
