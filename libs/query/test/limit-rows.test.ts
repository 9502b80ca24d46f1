import assert from "node:assert/strict";
import { test } from "node:test";
import { limitRows } from "../src/index.ts";

const cases = [
  ["SELECT 1", "SELECT 1 LIMIT 10"],
  ["/* traceparent=x */ SELECT a FROM t;", "/* traceparent=x */ SELECT a FROM t LIMIT 10;"],
  ["SELECT a FROM t ORDER BY a -- LIMIT 3", "SELECT a FROM t ORDER BY a LIMIT 10 -- LIMIT 3"],
  ["SELECT a FROM t LIMIT 3", "SELECT a FROM t LIMIT 3"],
  ["SELECT a FROM t LIMIT 300 OFFSET 5", "SELECT a FROM t LIMIT 10 OFFSET 5"],
  ["SELECT a FROM t OFFSET 5 LIMIT 300", "SELECT a FROM t OFFSET 5 LIMIT 10"],
  ["SELECT a FROM t LIMIT ALL", "SELECT a FROM t LIMIT 10"],
  ["SELECT a FROM t OFFSET 5", "SELECT a FROM t LIMIT 10 OFFSET 5"],
  ["SELECT TOP 5 a FROM t", "SELECT TOP 5 a FROM t"],
  ["SELECT TOP 50 a FROM t", "SELECT TOP 10 a FROM t"],
  ["SELECT * FROM (SELECT 1 LIMIT 99) q", "SELECT * FROM (SELECT 1 LIMIT 99) q LIMIT 10"],
  ["(SELECT 1) UNION (SELECT 2 LIMIT 5)", "(SELECT 1) UNION (SELECT 2 LIMIT 5) LIMIT 10"],
  ["WITH q AS (SELECT 1) SELECT * FROM q", "WITH q AS (SELECT 1) SELECT * FROM q LIMIT 10"],
  [`SELECT ' LIMIT 1 ' AS "limit" FROM t`, `SELECT ' LIMIT 1 ' AS "limit" FROM t LIMIT 10`],
  ["EXPLAIN SELECT 1", "EXPLAIN SELECT 1"],
  ["SHOW search_path", "SHOW search_path"],
] as const;

for (const [sql, limited] of cases) {
  test(`the engine stops at ten rows: ${sql}`, () => {
    assert.equal(limitRows(sql, 10), limited);
  });
}
