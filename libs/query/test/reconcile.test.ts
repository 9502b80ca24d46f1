import assert from "node:assert/strict";
import { test } from "node:test";
import { columns } from "@hybridge/tweet";
import fc from "fast-check";
import {
  aheadDeletionStatements,
  compareSides,
  hiveDeletedStatement,
  planReconciliation,
  type PartitionState,
  type PositionRun,
  type RangeSum,
} from "../src/index.ts";
import { countBelow, joinRuns, sourceEndOf } from "../src/position-runs.ts";
import { comparedColumns, postText } from "../src/reconcile-digest.ts";
import { redshiftBytesMax } from "../src/reconcile-redshift.ts";
import { offsetMax, placeless } from "../src/reconcile-selection.ts";
import { evaluate } from "./evaluate-case.ts";

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
      const below = pairsOf(runs).filter(([source]) => source < end);
      assert.equal(countBelow(runs, end), BigInt(below.length));
    }),
  );
});

const stateOf = (given: Partial<PartitionState>): PartitionState => ({
  partition: 0,
  source: undefined,
  runs: [],
  internalEnd: 0n,
  externalEnd: 0n,
  deadLetters: 0n,
  ...given,
});
const run = { sourceOffset: 10n, targetOffset: 0n, count: 100n };
const planOf = (states: readonly PartitionState[], rangeSize = 10n) =>
  planReconciliation(states, tables, { rangeSize });

test("only what both sides must hold is compared", () => {
  const endOf = (internalEnd: bigint, externalEnd: bigint) =>
    planOf([stateOf({ runs: [run], internalEnd, externalEnd })]).partitions[0]?.end;
  assert.equal(endOf(1_000n, 50n), 60n);
  assert.equal(endOf(30n, 50n), 30n);
  assert.equal(endOf(1_000n, 1_000n), 110n);
  assert.equal(endOf(1_000n, 0n), 10n);
});

/** Where a row at a target offset belongs, by the meaning of runs and ends. */
function placeOf(state: PartitionState | undefined, target: bigint): bigint {
  const pairs = state?.runs ?? [];
  if (state === undefined) return placeless.strange;
  const [first, last] = [pairs[0], pairs.at(-1)];
  if (first === undefined || target < first.targetOffset) return placeless.forgotten;
  if (last && target >= last.targetOffset + last.count) return placeless.unplaced;
  const within = pairs.find((each) => {
    return target >= each.targetOffset && target < each.targetOffset + each.count;
  });
  if (within === undefined) return placeless.strange;
  const source = within.sourceOffset + target - within.targetOffset;
  const mirrored = sourceEndOf(pairs, state.externalEnd);
  const end = state.internalEnd < mirrored ? state.internalEnd : mirrored;
  if (source < end) return source;
  return source < (state.source?.end ?? offsetMax) ? placeless.pending : placeless.younger;
}

/** The places that statements give a row; each statement that looks at the row gives one. */
function placesBy(statements: readonly string[], partition: number, offset: bigint): bigint[] {
  return statements.flatMap((sql) => {
    const [, tree = "", where = "true"] =
      /SELECT "p", "t", ([^\n]*) AS "s"\n[^]*"every_row"(?: WHERE (.*))?\) AS "placed"/.exec(sql) ??
      [];
    const row = { p: BigInt(partition), o: offset };
    return evaluate(where, row) === true ? [evaluate(tree, row) as bigint] : [];
  });
}

test("every row of Redshift is brought to its source offset by one statement", () => {
  const states = fc.array(
    fc.record({
      runs: runsArbitrary,
      internalEnd: fc.bigInt(0n, 300n),
      externalEnd: fc.bigInt(0n, 300n),
      sourceEnd: fc.option(fc.bigInt(0n, 300n), { nil: undefined }),
    }),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(states, fc.array(fc.bigInt(0n, 320n), { minLength: 1 }), (given, targets) => {
      const all = given.map(({ runs, internalEnd, externalEnd, sourceEnd }, index) => {
        const range = { start: 0n, end: sourceEnd ?? 0n, highWatermark: sourceEnd ?? 0n };
        const source = sourceEnd === undefined ? undefined : range;
        return stateOf({ partition: index * 3, runs, internalEnd, externalEnd, source });
      });
      const { redshift } = planOf(all);
      for (const partition of [0, 1, 3, 6, 9, 20]) {
        const state = all.find((each) => each.partition === partition);
        for (const target of targets) {
          const places = placesBy(redshift, partition, target);
          assert.deepEqual(places, [placeOf(state, target)], `${partition}/${target}`);
        }
      }
    }),
    { numRuns: 50 },
  );
});

const bytesOf = (sql: string) => Buffer.byteLength(sql);

test("statements stay under 100 kB with ten thousand partitions, and with ten thousand runs", () => {
  // Offsets near the greatest, so that every number has its longest form.
  const base = 2n ** 62n;
  const runAt = (index: number) => ({
    sourceOffset: base + BigInt(index * 10),
    targetOffset: base - 1_000_000n + BigInt(index * 11),
    count: 10n,
  });
  const source = { start: 0n, end: base + 50_000n, highWatermark: base + 50_000n };
  const internalEnd = base + 40_000n;
  const runs = Array.from({ length: 10_000 }, (_, index) => runAt(index));
  const ofRuns = [stateOf({ runs, internalEnd, externalEnd: offsetMax, source })];
  const ofPartitions = Array.from({ length: 10_000 }, (_, partition) =>
    stateOf({ partition, runs: [runAt(partition)], internalEnd, externalEnd: offsetMax, source }),
  );
  for (const states of [ofRuns, ofPartitions]) {
    const plan = planOf(states, 2n ** 40n);
    const ahead = aheadDeletionStatements(plan, 10);
    for (const sql of [...plan.redshift, ...ahead]) {
      assert.ok(bytesOf(sql) <= redshiftBytesMax, `${bytesOf(sql)} bytes`);
    }
    assert.ok(plan.redshift.length > 10);
    // As few statements as there must be: all but the last are nearly full.
    for (const sql of plan.redshift.slice(0, -1)) assert.ok(bytesOf(sql) > redshiftBytesMax * 0.8);
    for (const [index, { partition, runs: own }] of states.entries()) {
      if (index % 997 !== 0) continue;
      const [first] = own;
      const places = placesBy(plan.redshift, partition, first?.targetOffset ?? 0n);
      assert.equal(places.length, 1);
    }
    // HiveServer2 has no bound of its own; what grows there is one literal.
    for (const sql of [...plan.hive, hiveDeletedStatement(plan, [])]) {
      assert.ok(bytesOf(sql) < 2_000_000, `${bytesOf(sql)} bytes`);
      assert.ok(bytesOf(sql.replaceAll(/'[^']*'/g, "''")) < 10_000);
    }
  }
});

test("the checksum covers every typed column but a side's own, however many there will be", () => {
  const names = comparedColumns.map(({ name }) => name);
  assert.deepEqual(
    columns.map(({ name }) => name).filter((name) => !names.includes(name)),
    [
      ...["kafka_topic", "kafka_partition", "kafka_offset", "landed_at", "kafka_topic_id"],
      ...["kafka_timestamp_ms", "kafka_timestamp_type", "kafka_key", "kafka_headers", "raw"],
    ],
  );
  for (const name of names) {
    assert.ok(postText("hive").includes(`\`${name}\``), name);
    assert.ok(postText("redshift").includes(`"${name}"`), name);
  }
});

test("a topic's name cannot leave its quotes, and ranges are bounded", () => {
  assert.throws(
    () => planReconciliation([], { ...tables, sourceTopic: "a'b" }, { rangeSize: 10n }),
    { code: "SQL_PARAMETER" },
  );
  const wide = stateOf({
    runs: [{ ...run, count: 10_000_000n }],
    internalEnd: 2n ** 40n,
    externalEnd: 2n ** 40n,
  });
  assert.throws(() => planOf([wide], 1n), {
    code: "SQL_PARAMETER",
    message: /range_size 1 makes 10000000 ranges/,
  });
});

test("a bound in time is asked of both sides", () => {
  const sinceMs = Date.UTC(2026, 10, 23, 9, 0, 0, 5);
  const plan = planReconciliation([], tables, { rangeSize: 10n, sinceMs });
  assert.match(plan.hive[0] ?? "", /`dt` >= '2026-11-23' .*>= CAST\('2026-11-23 09:00:00.005'/);
  const asked = plan.redshift[0]?.match(/"event_time" >= CAST\('2026-11-23 09:00:00.005'/g);
  assert.equal(asked?.length, 2);
});

const row = (range: bigint, rows: bigint, checksum: bigint): RangeSum => ({
  partition: 0,
  range,
  rows,
  checksum,
});

test("equal sides compare equal, and any single change is found in its range", () => {
  const plan = planOf([stateOf({ runs: [run], internalEnd: 100n, externalEnd: 90n })], 25n);
  const internal = [row(0n, 17n, 17n), row(25n, 25n, 9n), row(placeless.pending, 4n, 1n)];
  const deleted = [row(0n, 2n, 10n)];
  // The external side answers in two statements.
  const external = [
    row(0n, 10n, 3n),
    row(0n, 5n, 4n),
    row(25n, 25n, 9n),
    row(placeless.unplaced, 2n, 8n),
  ];
  const same = compareSides(plan, { internal, deleted, external, retracted: [] });
  assert.deepEqual(same.differences, []);
  const [left, right] = [same.internal.get(0), same.external.get(0)];
  assert.deepEqual([left?.landed, left?.compared, left?.pending], [42n, 40n, 4n]);
  assert.deepEqual([right?.landed, right?.compared, right?.unplaced], [40n, 40n, 2n]);
  const differences = (other: readonly RangeSum[], gone = deleted, retracted: RangeSum[] = []) =>
    compareSides(plan, { internal, deleted: gone, external: other, retracted }).differences.map(
      ({ first, last, externalRows }) => [first, last, externalRows],
    );
  assert.deepEqual(differences([...external.slice(0, 2), row(25n, 25n, 10n)]), [[25n, 49n, 25n]]);
  assert.deepEqual(differences(external.slice(2)), [[0n, 24n, 0n]]);
  assert.deepEqual(differences(external, []), [[0n, 24n, 15n]]);
  // What is still to be removed on the external side.
  const more = [...external, row(0n, 1n, 6n)];
  assert.deepEqual(differences(more, deleted, [row(0n, 1n, 6n)]), []);
  const strange = row(placeless.strange, 1n, 5n);
  assert.deepEqual(differences([...external, strange]), [[-1n, -1n, 1n]]);
});
