import assert from "node:assert/strict";
import { test } from "node:test";
import { countTweetsSql, prepareSql } from "@hybridge/query";
import fc from "fast-check";
import * as scratch from "../src/check/scratch.ts";
import { setTimeoutSql } from "../src/time-limit.ts";
import { redshiftTables } from "../src/names.ts";
import { lintRedshiftBatch, lintRedshiftSql } from "../src/testing/index.ts";
import { tableNames } from "./hostile-names.ts";

/** Everything that makes SQL, by its name, with the statements that it makes of hostile input. */
const generators: Record<string, fc.Arbitrary<readonly string[]>> = {
  dropStatements: fc.tuple(tableNames, fc.boolean()).map((args) => scratch.dropStatements(...args)),
  countsSql: tableNames.map((of) => [scratch.countsSql(of)]),
  checksumsSql: tableNames.map((of) => [scratch.checksumsSql(of)]),
  endlessSql: tableNames.map((of) => [scratch.endlessSql(of)]),
};

/** Exports of the module that make no SQL by themselves. */
const others = new Set(["dropScratch", "schemaExists", "readTexts"]);

test("every maker of SQL of the check is among those that are linted", () => {
  for (const made of Object.keys(scratch)) {
    assert.ok(made in generators || others.has(made), `${made} is not linted`);
  }
});

for (const [made, statements] of Object.entries(generators)) {
  test(`${made} makes what Redshift takes, of any names`, () => {
    fc.assert(
      fc.property(statements, (sqls) => assert.deepEqual(lintRedshiftBatch(sqls), [])),
      { numRuns: 60 },
    );
  });
}

test("the time limit of a statement is a number that Redshift takes", () => {
  for (const ms of [0, 0.1, 5_000, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(lintRedshiftSql(setTimeoutSql(ms)), []);
  }
});

test("posts are counted by SQL that Redshift takes", async () => {
  const filter = {
    lang: "en",
    hashtag: 'a"\\',
    createdFrom: "2026-01-01",
    createdTo: "2026-02-01",
  };
  for (const of of fc.sample(tableNames, 50)) {
    const { sql, parameters } = countTweetsSql("redshift", redshiftTables(of), filter);
    const prepared = await prepareSql("redshift", sql, parameters);
    assert.deepEqual(lintRedshiftSql(prepared.sql), []);
  }
});

test("the linter sees what it is for", () => {
  const problems = (sql: string) => lintRedshiftSql(sql).join("; ");
  assert.match(problems('SELECT raw FROM "t"'), /reserved word raw/);
  assert.match(problems('SELECT "t".tag FROM "t"'), /reserved word tag/);
  assert.match(problems('SELECT 1 AS user FROM "t"'), /reserved word user/);
  assert.match(problems('SELECT id FROM "t"'), /id is no word of ours/);
  assert.match(problems('SELECT SUM("n") FROM "t"'), /DECIMAL\(38,0\)/);
  assert.match(problems('SELECT SUM(CAST("n" AS DECIMAL(18,0))) FROM "t"'), /overflows/);
  assert.equal(problems('SELECT SUM(CAST("n" AS DECIMAL(38,0))) FROM "t"'), "");
  assert.match(problems('SELECT * FROM (SELECT 1 AS "a")'), /no alias/);
  assert.match(problems('SELECT 1 AS "a"; SELECT 2'), /a statement is one/);
  assert.match(problems(`SELECT '${"x".repeat(70_000)}'`), /70000 bytes/);
  assert.match(problems(`SELECT 1 ${" ".repeat(100_000)}`), /100000 are allowed/);
  assert.match(problems('DELETE FROM "a" AS "b" WHERE 1 = 1'), /no aliases/);
  assert.match(problems('DELETE FROM "a" USING (SELECT 1) "b" WHERE 1 = 1'), /must be a table/);
  assert.match(problems('INSERT INTO "a" ("b") VALUES (1) ON CONFLICT DO NOTHING'), /ON CONFLICT/);
  assert.match(problems('DELETE FROM "a" WHERE 1 = 1 RETURNING "b"'), /RETURNING/);
  const merge = (using: string, rest = "") =>
    `MERGE INTO "a"${rest} USING ${using} ON "a"."k" = "b"."k" WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT ("k") VALUES ("b"."k")`;
  assert.equal(problems(merge('"b"')), "");
  assert.match(problems(merge('(SELECT 1 AS "k") AS "b"')), /must be a table/);
  assert.match(problems(merge('"b"', ' AS "t"')), /alias/);
  assert.match(
    problems('MERGE INTO "a" USING "b" ON "a"."k" = "b"."k" WHEN MATCHED THEN DELETE'),
    /both clauses/,
  );
  assert.equal(problems('MERGE INTO "a" USING "b" ON "a"."k" = "b"."k" REMOVE DUPLICATES'), "");
  assert.match(
    problems(`COPY "a" FROM 's3://b/c' IAM_ROLE default FORMAT AS PARQUET REGION 'x'`),
    /./,
  );
  assert.match(
    lintRedshiftBatch(Array.from({ length: 41 }, () => "SELECT 1")).join(),
    /41 statements/,
  );
});
