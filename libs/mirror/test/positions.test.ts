import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvariantError } from "@hybridge/core";
import { FakeClock } from "@hybridge/core/testing";
import { MalformedError } from "@hybridge/kafka/raw";
import { decodePosition, encodePosition, positionKey } from "../src/positions/format.ts";
import { PositionLedger } from "../src/positions/ledger.ts";
import { Pauses } from "../src/positions/pauses.ts";
import { Positions } from "../src/positions/positions.ts";
import { RunList } from "../src/positions/run-list.ts";
import { resolve } from "../src/positions/stored-positions.ts";

const scope = {
  mirrorId: "a mirror/of ours",
  sourceClusterId: "cluster-1",
  sourceTopic: "hybrid.v1",
  sourceTopicId: "a".repeat(32),
  targetTopic: "copy.hybrid.v1",
  targetTopicId: "b".repeat(32),
  partition: 2,
};
const writer = { producerId: 9n, producerEpoch: 4 };

const run = (sourceOffset: bigint, targetOffset: bigint, count: bigint) => ({
  sourceOffset,
  targetOffset,
  count,
});
const added = (sourceOffset: bigint, targetOffset: bigint, count: bigint) => ({
  ...run(sourceOffset, targetOffset, count),
  epoch: 1,
});

/** Steps of a source and a target: gaps on both sides, and records. */
const steps = fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.integer({ min: 1, max: 5 })), {
  minLength: 1,
  maxLength: 60,
});

function fill(ledger: PositionLedger, list: readonly (readonly [number, number, number])[]) {
  const known = new Map<bigint, bigint>();
  let [source, target] = [0n, 0n];
  for (const [sourceGap, targetGap, count] of list) {
    source += BigInt(sourceGap);
    target += BigInt(targetGap);
    ledger.add(added(source, target, BigInt(count)));
    for (let index = 0; index < count; index++) known.set(source++, target++);
  }
  return { known, source, target };
}

test("what is contiguous on both sides is one run; a gap on either side begins another", () => {
  const ledger = new PositionLedger(scope);
  for (const [source, target, count] of [
    [0n, 1n, 10n],
    [10n, 11n, 5n],
    [16n, 16n, 5n],
    [21n, 22n, 1n],
  ] as const) {
    ledger.add(added(source, target, count));
  }
  assert.deepEqual(ledger.runs, [run(0n, 1n, 15n), run(16n, 16n, 5n), run(21n, 22n, 1n)]);
  assert.equal(ledger.size, 1, "one entry for all of them");
  const end = { sourceOffset: 22n, targetOffset: 23n, epoch: 1, lastBatch: undefined };
  assert.deepEqual(ledger.end, end);
});

test("every mirrored offset is translated exactly, every other to what comes after it, and back", () => {
  fc.assert(
    fc.property(steps, (list) => {
      const ledger = new PositionLedger(scope);
      const { known, source, target } = fill(ledger, list);
      for (let offset = 0n; offset < source; offset++) {
        const exact = known.get(offset);
        const later = [...known].find(([at]) => at >= offset)?.[1];
        const expected = { targetOffset: exact ?? later, exact: exact !== undefined };
        assert.deepEqual(ledger.translate(offset), expected);
      }
      assert.equal(ledger.translate(source), undefined);
      const back = new Map([...known].map(([from, to]) => [to, from]));
      for (let offset = 0n; offset <= target; offset++) {
        assert.equal(ledger.sourceOf(offset), back.get(offset));
      }
    }),
  );
});

test("a day of a source with ten commits a second fits into some megabytes", () => {
  const ledger = new PositionLedger(scope);
  const commits = 864_000n;
  for (let index = 0n; index < commits; index++) {
    ledger.add(added(index * 21n, index * 20n, 20n));
  }
  const { entries } = ledger.takeChanges();
  const bytes = entries.reduce((sum, { runs }) => sum + runs.encoded.length, 0);
  assert.ok(entries.length < 3_000, `${entries.length} entries`);
  assert.ok(bytes < 3_000_000, `${bytes} bytes`);
  assert.deepEqual(ledger.translate(700_000n * 21n + 3n), {
    targetOffset: 700_000n * 20n + 3n,
    exact: true,
  });
  // The day goes out of both logs, and of the memory.
  ledger.prune(commits * 21n, commits * 20n);
  assert.equal(ledger.size, 1);
  assert.equal(ledger.end?.targetOffset, commits * 20n);
});

test("positions out of order, or without records, are a bug and not written down", () => {
  const ledger = new PositionLedger(scope);
  ledger.add(added(10n, 10n, 5n));
  assert.throws(() => ledger.add(added(14n, 15n, 1n)), InvariantError);
  assert.throws(() => ledger.add(added(15n, 14n, 1n)), InvariantError);
  assert.throws(() => ledger.add(added(15n, 15n, 0n)), InvariantError);
});

test("an entry comes back as it was written, with all its runs", () => {
  fc.assert(
    fc.property(steps, fc.bigInt({ min: 0n, max: 2n ** 60n }), (list, base) => {
      const ledger = new PositionLedger(scope, writer);
      ledger.add(added(base, base + 2n ** 54n, 1n), { targetOffset: 3n, crc: 7 });
      const shifted = new PositionLedger(scope, writer);
      fill(shifted, list);
      for (const each of shifted.runs) {
        const at = added(
          each.sourceOffset + base + 1n,
          each.targetOffset + base + 2n ** 54n + 1n,
          each.count,
        );
        ledger.add(at, { targetOffset: 3n, crc: 7 });
      }
      for (const entry of ledger.takeChanges().entries) {
        const { key, value } = encodePosition(entry);
        const decoded = decodePosition(key.toString(), value);
        assert.deepEqual([...decoded.runs.runs()], [...entry.runs.runs()]);
        assert.deepEqual(
          { ...decoded, runs: undefined },
          { ...entry, runs: undefined, isDeadLetter: false },
        );
      }
    }),
  );
});

test("what is no position is refused by name", () => {
  const key = positionKey(scope, 1n, 2);
  assert.throws(() => decodePosition(key, Buffer.from("{")), MalformedError);
  assert.throws(() => decodePosition("a/0/x", Buffer.from("{}")), /"a\/0\/x"/);
  const cut = { targetTopic: "t", targetOffset: "0", count: "1", runs: "gICA" };
  assert.throws(() => decodePosition(key, Buffer.from(JSON.stringify(cut))), MalformedError);
});

test("the first version takes the new keys for a topic that it does not mirror", () => {
  // As it read keys: topic / partition / source offset / writer epoch, or .../paused.
  const [topic = "", partition = "", sourceOffset = "", writerEpoch = ""] = positionKey(
    scope,
    12n,
    4,
  ).split("/");
  assert.deepEqual([Number(partition), BigInt(sourceOffset), Number(writerEpoch)], [2, 12n, 4]);
  assert.doesNotMatch(topic, /^[\w.-]+$/, "no topic has such a name");
  const { key } = new Pauses(scope).encode({ sourceTopic: "hybrid.v1", partition: 2 }, 0);
  assert.match(key.toString(), /^pause:2\/2\/.*\/paused$/);
});

test("only what changed is written, and once more when the writing failed", () => {
  const ledger = new PositionLedger(scope, writer);
  ledger.add(added(0n, 0n, 3n));
  ledger.addDeadLetter(3n, 1n);
  const first = ledger.takeChanges();
  const seen = first.entries.map(({ runs, isDeadLetter }) => [
    runs.sourceOffset,
    runs.count,
    isDeadLetter,
  ]);
  assert.deepEqual(seen, [
    [0n, 3n, false],
    [3n, 1n, true],
  ]);
  assert.equal(ledger.takeChanges().entries.length, 0);
  first.restore();
  ledger.add(added(4n, 3n, 1n));
  assert.equal(ledger.takeChanges().entries.length, 2);
});

test("dead letters in a row are one entry, and each is known", () => {
  const ledger = new PositionLedger(scope);
  for (let offset = 10n; offset < 5_010n; offset++) ledger.addDeadLetter(offset, 1n);
  ledger.addDeadLetter(6_000n, 20n);
  assert.equal(ledger.size, 2);
  const known = [9n, 10n, 5_009n, 5_010n, 5_999n, 6_000n, 6_019n, 6_020n];
  assert.deepEqual(
    known.map((offset) => ledger.isDeadLetter(offset)),
    [false, true, true, false, false, true, true, false],
  );
  assert.equal(ledger.deadLettersEnd, 6_020n);
});

test("what former epochs wrote of an entry is removed behind that which takes its place", () => {
  const ledger = new PositionLedger(scope, writer);
  const runs = new RunList(run(5n, 6n, 2n));
  const stored = { scope, writer, runs, epoch: 0, isDeadLetter: false };
  ledger.load(stored, [1, 3, 4]);
  assert.equal(ledger.takeChanges().entries.length, 0);
  ledger.add(added(7n, 8n, 1n));
  const { entries, obsolete } = ledger.takeChanges();
  assert.equal(entries.length, 1);
  assert.deepEqual(
    obsolete.map(({ sourceOffset, writerEpoch }) => [sourceOffset, writerEpoch]),
    [
      [5n, 1],
      [5n, 3],
    ],
  );
});

test("a target that was cut back leaves only what still stands there", () => {
  fc.assert(
    fc.property(steps, fc.nat(200), (list, at) => {
      const ledger = new PositionLedger(scope, writer);
      const { known, target } = fill(ledger, list);
      const cut = BigInt(at) % (target + 1n);
      ledger.takeChanges();
      const gone = [...known].filter(([, to]) => to >= cut);
      const lost = ledger.from(cut);
      assert.equal(lost.records, BigInt(gone.length));
      if (gone[0]) assert.deepEqual([lost.sourceFrom, lost.targetFrom], gone[0]);
      assert.equal(
        ledger.lastBefore(cut),
        [...known.values()].findLast((to) => to < cut),
      );
      ledger.cut(cut);
      const left = new Map<bigint, bigint>();
      for (const { sourceOffset, targetOffset, count } of ledger.runs) {
        for (let index = 0n; index < count; index++)
          left.set(sourceOffset + index, targetOffset + index);
      }
      assert.deepEqual(left, new Map([...known].filter(([, to]) => to < cut)));
    }),
  );
});

test("of several owners' entries the newest epoch's counts, else the longer one", () => {
  const entry = (count: bigint, producerId: bigint, producerEpoch: number) => ({
    scope,
    writer: { producerId, producerEpoch },
    runs: new RunList(run(0n, 0n, count)),
    epoch: -1,
    isDeadLetter: false,
  });
  const best = (...entries: ReturnType<typeof entry>[]) => resolve(entries)[0]?.entry.runs.count;
  assert.equal(
    best(entry(9n, 7n, 3), entry(5n, 7n, 2)),
    9n,
    "a former owner woke up and wrote late",
  );
  assert.equal(best(entry(9n, 7n, 3), entry(5n, 7n, 4)), 5n, "the target was cut back");
  assert.equal(best(entry(9n, 7n, 30), entry(12n, 8n, 0)), 12n, "another producer");
  assert.deepEqual([...(resolve([entry(9n, 7n, 3), entry(5n, 7n, 2)])[0]?.writers ?? [])], [3, 2]);
});

test("what the first version wrote is taken over once, and written down as this version does", () => {
  const ledger = new PositionLedger(scope, writer);
  const v1 = (sourceOffset: string, count: string, more: object = {}) =>
    decodePosition(
      `hybrid.v1/2/${sourceOffset}/1`,
      Buffer.from(
        JSON.stringify({
          targetTopic: scope.targetTopic,
          targetOffset: String(BigInt(sourceOffset) + 1n),
          count,
          epoch: 3,
          sourceTopicId: scope.sourceTopicId,
          targetTopicId: scope.targetTopicId,
          ...more,
        }),
      ),
    );
  const dead = { targetOffset: "-1", deadLetter: true };
  for (const entry of [v1("0", "10"), v1("12", "3"), v1("10", "2", dead)]) ledger.adopt(entry);
  assert.deepEqual(ledger.runs, [run(0n, 1n, 10n), run(12n, 13n, 3n)]);
  assert.equal(ledger.isDeadLetter(11n), true);
  const { entries } = ledger.takeChanges();
  assert.equal(entries.length, 2);
  // The next start finds both, and takes nothing twice.
  const next = new PositionLedger(scope, { ...writer, producerEpoch: 5 });
  for (const entry of entries) next.load(entry, [writer.producerEpoch]);
  for (const entry of [v1("0", "10"), v1("12", "3"), v1("10", "2", dead)]) next.adopt(entry);
  assert.equal(next.takeChanges().entries.length, 0);
  // An old version that ran in between went further.
  next.adopt(v1("12", "8"));
  assert.deepEqual(next.runs, [run(0n, 1n, 10n), run(12n, 13n, 8n)]);
});

test("a pause belongs to one mirror; one of the first version holds until it is ended here", () => {
  const at = { sourceTopic: "orders", partition: 3 };
  const [ours, theirs] = [new Pauses(scope), new Pauses({ ...scope, mirrorId: "other" })];
  const written = ours.encode(at, Date.UTC(2026, 0, 2));
  for (const pauses of [ours, theirs]) pauses.take(written.key.toString(), written.value, 0);
  assert.deepEqual([ours.since(at), theirs.since(at)], [Date.UTC(2026, 0, 2), undefined]);
  const ended = ours.encode(at, undefined);
  assert.equal(ended.value, null);
  ours.take(ended.key.toString(), null, 0);
  assert.equal(ours.since(at), undefined);

  const former = Buffer.from(JSON.stringify({ since: "2026-01-03T00:00:00.000Z" }));
  theirs.take("orders/3/paused", former, 0);
  assert.equal(theirs.since(at), Date.UTC(2026, 0, 3));
  const resumed = theirs.encode(at, undefined);
  theirs.take(resumed.key.toString(), resumed.value, 0);
  const restarted = new Pauses({ ...scope, mirrorId: "other" });
  restarted.take("orders/3/paused", former, 0);
  restarted.take(resumed.key.toString(), resumed.value, 0);
  assert.equal(restarted.since(at), undefined, "although the old pause still stands there");
});

test("two mirrors into one target keep their positions apart", () => {
  const make = (sourceClusterId: string) =>
    new Positions({
      mirrorId: "m",
      sourceClusterId,
      target: undefined as never,
      emit: () => undefined,
      clock: new FakeClock(),
    });
  const keys = ["a", "b"].map((cluster) => {
    const ledger = make(cluster).of(scope);
    ledger.add(added(0n, 0n, 1n));
    return ledger.takeChanges().entries.map((entry) => encodePosition(entry).key.toString());
  });
  assert.notDeepEqual(keys[0], keys[1]);
  const other = { ...scope, targetTopicId: "c".repeat(32) };
  assert.notEqual(positionKey(scope, 0n, 1), positionKey(other, 0n, 1));
  assert.notEqual(positionKey(scope, 0n, 1), positionKey({ ...scope, mirrorId: "x" }, 0n, 1));
});
