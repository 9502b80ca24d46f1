import assert from "node:assert/strict";
import { test } from "node:test";
import { columns } from "@hybridge/tweet";
import fc from "fast-check";
import { stagedColumn } from "../src/loads/column-types.ts";
import * as deletionSql from "../src/loads/deletion-sql.ts";
import * as loadSql from "../src/loads/load-sql.ts";
import * as loadTables from "../src/loads/load-tables.ts";
import { lintRedshiftBatch } from "../src/testing/index.ts";
import { iamRole, tableNames, topic } from "./hostile-names.ts";

const staged = fc
  .record({
    columns: fc
      .subarray(
        columns.map(({ name }) => name),
        { minLength: 1 },
      )
      .map((names) => names.map((name) => stagedColumn(name)).filter((each) => each !== undefined)),
    manifest: fc.constant(`s3://b/${"k".repeat(1_000)}.manifest`),
    rows: fc.nat(),
    earliestMs: fc.constantFrom(0, Date.UTC(2026, 10, 23, 9)),
    overlaps: fc.boolean(),
  })
  .map((files): loadSql.StagedFiles => files);

const offset = fc.bigInt({ min: 0n, max: 2n ** 62n });
const range: fc.Arbitrary<loadSql.CoveredRange> = fc.record({
  topic,
  topicId: fc.constantFrom("AAAAAAAAQACAAAAAAAAAAA", `topic:${"t".repeat(249)}#12`),
  partition: fc.nat({ max: 2_147_483_647 }),
  from: offset,
  to: offset,
  rows: fc.nat(),
  dead: fc.nat(),
});
const load: fc.Arbitrary<loadSql.Load> = fc.record({
  log: fc.uuid(),
  from: fc.option(fc.maxSafeNat(), { nil: undefined }),
  to: fc.maxSafeNat(),
  staged: fc.array(staged, { maxLength: 2 }),
  ranges: fc.oneof(
    fc.array(range, { maxLength: 20 }),
    range.map((one) => Array.from({ length: 800 }, (_, partition) => ({ ...one, partition }))),
  ),
});

/** Everything that makes SQL, by its name, with the statements that it makes of hostile input. */
const generators: Record<string, fc.Arbitrary<readonly string[]>> = {
  wantedObjects: tableNames.map((of) => loadTables.wantedObjects(of).map(({ sql }) => sql)),
  selectObjects: tableNames.map((of) => [loadTables.selectObjects(of)]),
  growingTables: tableNames.map((of) =>
    loadTables
      .growingTables(of)
      .flatMap(({ describe, add }) => [describe, ...add(["kafka_topic", "id"])]),
  ),
  selectPosition: tableNames.map((of) => [loadTables.selectPosition(of)]),
  selectFormerPositions: tableNames.map((of) => [loadTables.selectFormerPositions(of)]),
  loadSql: fc.tuple(tableNames, load, iamRole).map((args) => loadSql.loadSql(...args)),
  sweepSql: fc.tuple(tableNames, fc.nat()).map((args) => loadSql.sweepSql(...args)),
  tryFilesSql: fc.tuple(tableNames, staged, iamRole).map((args) => loadSql.tryFilesSql(...args)),
  deleteRetracted: tableNames.map((of) => {
    const [posts, deletions] = (["posts", "deletions"] as const).map((which) =>
      deletionSql.qualified(of, which),
    );
    assert.ok(posts && deletions);
    return deletionSql.deleteRetracted(posts, deletions);
  }),
};

/** Exports of the modules of SQL that make none by themselves. */
const others = new Set([
  "DELETION_COLUMNS",
  "RANGE_COLUMNS",
  "failedExpectation",
  "list",
  "qualified",
]);

test("every maker of SQL of loads is among those that are linted", () => {
  for (const made of Object.keys({ ...loadSql, ...loadTables, ...deletionSql })) {
    assert.ok(made in generators || others.has(made), `${made} is not linted`);
  }
});

for (const [made, statements] of Object.entries(generators)) {
  test(`${made} makes what Redshift takes, of any names, columns and ranges`, () => {
    fc.assert(
      fc.property(statements, (sqls) => assert.deepEqual(lintRedshiftBatch(sqls), [])),
      { numRuns: 60 },
    );
  });
}

test("a load locks first, then checks its position; what failed of it is known by its words", () => {
  fc.assert(
    fc.property(tableNames, load, (of, given) => {
      const [first = "", second = "", ...rest] = loadSql.loadSql(of, given, "default");
      assert.match(first, /^LOCK /);
      assert.equal(loadSql.failedExpectation(second), "position");
      const failures = rest.map((sql) => loadSql.failedExpectation(sql));
      assert.equal(failures.filter((failed) => failed === "rows").length, given.staged.length);
      assert.ok(!failures.includes("position"));
    }),
    { numRuns: 60 },
  );
});
