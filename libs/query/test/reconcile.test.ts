import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  compareSides,
  planReconciliation,
  prepareSql,
  type PositionRun,
  type RangeSum,
} from "../src/index.ts";
import { joinRuns, sourceEndOf } from "../src/position-runs.ts";

const tables = {
  hive: "hybridge.tweets",
  redshift: "hybridge.tweets",
  redshiftDeletions: "hybridge.tweets_deletions",
  sourceTopic: "hybrid",
  targetTopic: "hybrid",
};

/** Runs with gaps on either side, as control records and fences leave them. */
const runsArbitrary = fc
  .array(
    fc.record({
      sourceGap: fc.bigInt(0n, 3n),
      targetGap: fc.bigInt(0n, 3n),
      count: fc.bigInt(1n, 20n),
    }),
    { maxLength: 12 },
  )
  .map((parts) => {
    let sourceOffset = 0n;
    let targetOffset = 0n;
    return parts.map(({ sourceGap, targetGap, count }): PositionRun => {
      const run = {
        sourceOffset: sourceOffset + sourceGap,
        targetOffset: targetOffset + targetGap,
        count,
      };
      sourceOffset = run.sourceOffset + count;
      targetOffset = run.targetOffset + count;
      return run;
    });
  });

const pairsOf = (runs: readonly PositionRun[]) =>
  runs.flatMap(({ sourceOffset, targetOffset, count }) =>
    Array.from(
      { length: Number(count) },
      (_, index) => [sourceOffset + BigInt(index), targetOffset + BigInt(index)] as const,
    ),
  );

test("joining runs moves no record", () => {
  fc.assert(
    fc.property(runsArbitrary, (runs) => {
      const joined = joinRuns([...runs].reverse());
      assert.deepEqual(pairsOf(joined), pairsOf(runs));
      assert.ok(joined.length <= runs.length);
    }),
  );
});

test("what is complete in the target is complete in the source up to the translated end", () => {
  fc.assert(
    fc.property(runsArbitrary, fc.bigInt(0n, 300n), (runs, targetEnd) => {
      const end = sourceEndOf(runs, targetEnd);
      for (const [source, target] of pairsOf(runs)) assert.equal(source < end, target < targetEnd);
    }),
  );
});

const state = (runs: readonly PositionRun[], internalEnd: bigint, externalEnd: bigint) => [
  { partition: 0, runs, internalEnd, externalEnd },
];
const run = { sourceOffset: 10n, targetOffset: 0n, count: 100n };

test("only what both sides must hold is compared", () => {
  const endOf = (internalEnd: bigint, externalEnd: bigint) =>
    planReconciliation(state([run], internalEnd, externalEnd), tables, 10n, false).partitions[0]
      ?.end;
  assert.equal(endOf(1_000n, 50n), 60n);
  assert.equal(endOf(30n, 50n), 30n);
  assert.equal(endOf(1_000n, 1_000n), 110n);
  assert.equal(endOf(1_000n, 0n), 0n);
});

test("the statements are what Redshift may run, and bounded", async () => {
  const many = Array.from({ length: 2_000 }, (_, index) => ({
    sourceOffset: 9_007_199_254_740_993n + BigInt(index * 10),
    targetOffset: 9_007_199_254_000_000n + BigInt(index * 11),
    count: 10n,
  }));
  const states = [
    ...state(many, 2n ** 62n, 2n ** 62n),
    { partition: 1, runs: [], internalEnd: 5n, externalEnd: 0n },
  ];
  const plan = planReconciliation(states, tables, 10_000n, false);
  assert.equal(plan.redshift.length, 3);
  for (const sql of plan.redshift) {
    assert.ok(sql.length < 100_000, `${sql.length} characters`);
    // The guard has a lower bound for what callers send; parsed in pieces here it must be one SELECT.
    if (sql.length < 90_000) await prepareSql("redshift", sql);
  }
  await prepareSql("hive", plan.hive[0] ?? "");
  const { hive } = planReconciliation(states, tables, 10_000n, true);
  await prepareSql("hive", hive[0] ?? "");
});

test("a topic's name cannot leave its quotes, and ranges are bounded", () => {
  assert.throws(() => planReconciliation([], { ...tables, sourceTopic: "a'b" }, 10n, false), {
    code: "SQL_PARAMETER",
  });
  const wide = [{ ...run, count: 10_000_000n }];
  assert.throws(() => planReconciliation(state(wide, 2n ** 40n, 2n ** 40n), tables, 1n, false), {
    code: "SQL_PARAMETER",
    message: /range_size 1 makes 10000000 ranges/,
  });
});

test("equal sides reconcile, and any single change is found in its range", () => {
  const plan = planReconciliation(state([run], 100n, 90n), tables, 25n, false);
  const row = (range: bigint, rows: bigint, checksum: bigint): RangeSum => ({
    partition: 0,
    range,
    rows,
    checksum,
  });
  const internal = [row(0n, 15n, 7n), row(25n, 25n, 9n), row(-1n, 4n, 1n)];
  // The external side answers in two statements.
  const external = [row(0n, 10n, 3n), row(0n, 5n, 4n), row(25n, 25n, 9n), row(-1n, 2n, 8n)];
  const same = compareSides(plan, internal, external);
  assert.deepEqual([same.reconciled, same.internalRows, same.externalRows], [true, 40n, 40n]);
  assert.deepEqual([same.internalPending, same.externalPending], [4n, 2n]);
  const altered = compareSides(plan, internal, [...external.slice(0, 2), row(25n, 25n, 10n)]);
  assert.deepEqual(
    altered.differences.map(({ first, last }) => [first, last]),
    [[25n, 49n]],
  );
  const missing = compareSides(plan, internal, external.slice(2));
  assert.deepEqual(
    missing.differences.map(({ first, last, externalRows }) => [first, last, externalRows]),
    [[0n, 24n, 0n]],
  );
  const strange = compareSides(plan, internal, [...external, row(-2n, 1n, 5n)]);
  assert.deepEqual(
    strange.differences.map(({ first, last, externalRows }) => [first, last, externalRows]),
    [[-1n, -1n, 1n]],
  );
});
