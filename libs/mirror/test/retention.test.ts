import assert from "node:assert/strict";
import { test } from "node:test";
import { collectEvents, FakeClock } from "@hybridge/core/testing";
import type { MirrorContext } from "../src/context.ts";
import { HeldBack } from "../src/held-back.ts";
import { PartitionMirror } from "../src/partition.ts";
import { retentionIn } from "../src/retention-watch.ts";

const HOUR_MS = 3_600_000;

function partitionWith(clock: FakeClock) {
  const { emit, events } = collectEvents();
  const context = {
    ...{ clock, emit, random: () => 0.5, mirrorId: "m" },
    target: {},
    positions: { pausedSince: () => undefined },
  } as unknown as MirrorContext;
  const route = { sourceTopic: "posts", targetTopic: "posts", partition: 0 };
  return { partition: new PartitionMirror(route, context), events };
}

test("what retention is about to delete is told once, with the time left, and anew when it comes again", () => {
  const { partition, events } = partitionWith(new FakeClock());
  const note = (leftMs: number) => partition.noteRetention(leftMs, 8 * HOUR_MS);
  note(2 * HOUR_MS);
  assert.equal(events.length, 0);
  note(2 * HOUR_MS - 1);
  note(HOUR_MS);
  assert.deepEqual(
    events.map(({ name, fields }) => [name, fields?.["leftMs"]]),
    [["mirror.source_retention_near", 2 * HOUR_MS - 1]],
  );
  note(Infinity);
  note(-5);
  assert.equal(events.length, 2);
  assert.equal(events[1]?.fields?.["leftMs"], 0);
});

test("a topic that keeps everything is never near its end", () => {
  const { partition, events } = partitionWith(new FakeClock());
  partition.noteRetention(Infinity - HOUR_MS, Infinity);
  assert.equal(events.length, 0);
});

test("retention is what deletes by time, and nothing else", () => {
  const of = (settings: Readonly<Record<string, string>>) =>
    retentionIn(new Map(Object.entries(settings)));
  assert.equal(of({ "retention.ms": "5000", "cleanup.policy": "delete" }), 5_000);
  assert.equal(of({ "retention.ms": "5000", "cleanup.policy": "compact,delete" }), 5_000);
  assert.equal(of({ "retention.ms": "5000", "cleanup.policy": "compact" }), Infinity);
  assert.equal(of({ "retention.ms": "-1", "cleanup.policy": "delete" }), Infinity);
});

test("a transaction that goes on moving holds nothing back for long; one that stands does", () => {
  const clock = new FakeClock();
  const held = new HeldBack(clock);
  held.observe(10n, 10n);
  clock.advance(HOUR_MS);
  assert.deepEqual([held.offset, held.forMs], [-1n, 0]);
  held.observe(10n, 12n);
  clock.advance(500);
  held.observe(11n, 14n);
  clock.advance(700);
  held.observe(11n, 20n);
  assert.deepEqual([held.offset, held.offsetsHeld, held.forMs], [11n, 9n, 700]);
  assert.equal(held.observe(20n, 20n), false, "nobody was told");
  held.observe(20n, 21n);
  held.isTold = true;
  assert.equal(held.observe(21n, 21n), true);
});
