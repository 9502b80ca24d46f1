import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PositionLedger } from "../src/positions/ledger.ts";

const run = (sourceOffset: bigint, targetOffset: bigint, count: bigint) => ({
  sourceOffset,
  targetOffset,
  count,
  epoch: -1,
});

const owner = {
  sourceTopic: "hybrid",
  sourceTopicId: "a".repeat(32),
  targetTopic: "hybrid",
  targetTopicId: "b".repeat(32),
  partition: 2,
};

test("what is contiguous on both sides is one run; a gap on either side begins another", () => {
  const positions = new PositionLedger(owner);
  positions.add(run(0n, 1n, 10n));
  positions.add(run(10n, 11n, 5n));
  positions.add(run(16n, 16n, 5n));
  positions.add(run(21n, 22n, 1n));
  assert.deepEqual(
    positions.runs.map(({ sourceOffset, targetOffset, count }) => [
      sourceOffset,
      targetOffset,
      count,
    ]),
    [
      [0n, 1n, 15n],
      [16n, 16n, 5n],
      [21n, 22n, 1n],
    ],
  );
  assert.deepEqual(positions.end, { sourceOffset: 22n, targetOffset: 23n, epoch: -1 });
});

test("every mirrored offset is translated exactly, every other to what comes after it", () => {
  const steps = fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.integer({ min: 1, max: 5 })), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(
    fc.property(steps, (list) => {
      const positions = new PositionLedger(owner);
      const known = new Map<bigint, bigint>();
      let [source, target] = [0n, 0n];
      for (const [sourceGap, targetGap, count] of list) {
        source += BigInt(sourceGap);
        target += BigInt(targetGap);
        positions.add(run(source, target, BigInt(count)));
        for (let index = 0; index < count; index++) known.set(source++, target++);
      }
      for (let offset = 0n; offset < source; offset++) {
        const exact = known.get(offset);
        const later = [...known].find(([at]) => at >= offset)?.[1];
        assert.deepEqual(positions.translate(offset), {
          targetOffset: exact ?? later,
          exact: exact !== undefined,
        });
      }
      assert.equal(positions.translate(source), undefined);
    }),
  );
});

test("only what changed is written, and once more when the writing failed", () => {
  const positions = new PositionLedger(owner);
  positions.add(run(0n, 0n, 3n));
  positions.addDeadLetter(3n, 1n);
  const first = positions.takeDirty();
  assert.deepEqual(
    first.entries.map(({ sourceOffset, count, isDeadLetter }) => [
      sourceOffset,
      count,
      isDeadLetter,
    ]),
    [
      [0n, 3n, false],
      [3n, 1n, true],
    ],
  );
  assert.equal(positions.takeDirty().entries.length, 0);
  first.restore();
  positions.add(run(4n, 3n, 1n));
  assert.equal(positions.takeDirty().entries.length, 3);
  assert.equal(positions.isDeadLetter(3n), true);
  assert.equal(positions.isDeadLetter(4n), false);
});
