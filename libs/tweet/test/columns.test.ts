import assert from "node:assert/strict";
import { test } from "node:test";
import { columns, hiveColumns, redshiftColumnNames, redshiftColumns, rowOf } from "../src/index.ts";
import { landing, recordOf } from "./records.ts";

test("a row has exactly the columns of the table, in their order", () => {
  const result = rowOf(recordOf('{"id_str":"1"}'), landing);
  assert.ok(result.ok);
  assert.deepEqual(
    Object.keys(result.row),
    columns.map(({ name }) => name),
  );
});

test("required columns are those that a row without anything but an id still fills", () => {
  const result = rowOf(recordOf('{"id_str":"1"}'), landing);
  assert.ok(result.ok);
  for (const each of columns) {
    if (!each.nullable) assert.notEqual(result.row[each.name], null, each.name);
  }
});

test("the Redshift table is a prefix of the files, so that COPY can match by position", () => {
  assert.deepEqual(
    redshiftColumnNames(),
    columns.slice(0, -5).map(({ name }) => name),
  );
  assert.ok(redshiftColumns({ raw: true }).startsWith(redshiftColumns({ raw: false })));
  assert.match(redshiftColumns({ raw: false }), /^ {2}"kafka_topic" VARCHAR\(249\) NOT NULL,\n/);
  assert.doesNotMatch(redshiftColumns({ raw: false }), /\braw\b/);
});

test("no VARCHAR is longer than Redshift allows", () => {
  for (const [, size] of redshiftColumns({ raw: true }).matchAll(/VARCHAR\((\d+)\)/g)) {
    assert.ok(Number(size) <= 65_535);
  }
});

test("Hive knows every column", () => {
  assert.equal(hiveColumns().split(",\n").length, columns.length);
  assert.match(hiveColumns(), /`kafka_offset` bigint COMMENT 'Offset in that partition\.'/);
  // Each comment must end where it should: quotes inside are escaped.
  assert.equal(hiveColumns().replaceAll("\\'", "").split("'").length, columns.length * 2 + 1);
});
