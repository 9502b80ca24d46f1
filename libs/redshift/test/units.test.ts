import assert from "node:assert/strict";
import { test } from "node:test";
import { retryOf } from "@hybridge/core";
import { batchOf, columnOf } from "../src/columns.ts";
import { RedshiftRequestError } from "../src/errors.ts";
import { endedError, requestError } from "../src/failures.ts";
import { bindParameters } from "../src/parameters.ts";

test("null and empty parameters become literals, but not within strings, names, comments, casts", () => {
  const sql = `SELECT :a, ':a' || ':it''s :a', "x:a", x::a, $t$ :a $t$ -- :a
    /* :a */ , :ab, :b`;
  const bound = bindParameters(sql, { a: null, b: "", ab: 5n, c: "kept" });
  assert.equal(
    bound.sql,
    `SELECT NULL, ':a' || ':it''s :a', "x:a", x::a, $t$ :a $t$ -- :a
    /* :a */ , :ab, ''`,
  );
  assert.deepEqual(bound.parameters, [
    { name: "ab", value: "5" },
    { name: "c", value: "kept" },
  ]);
});

test("without nulls the SQL stays as it is", () => {
  const bound = bindParameters("SELECT :a", { a: 1.5 });
  assert.deepEqual(bound, { sql: "SELECT :a", parameters: [{ name: "a", value: "1.5" }] });
});

test("columns have Redshift's type with its qualifiers", () => {
  const type = (typeName: string, rest = {}) => columnOf({ label: "c", typeName, ...rest });
  assert.equal(type("numeric", { precision: 10, scale: 2 }).engineType, "numeric(10,2)");
  assert.equal(type("varchar", { length: 20 }).engineType, "varchar(20)");
  assert.equal(type("TIMESTAMPTZ").type, "timestamp");
  assert.deepEqual([type("super").type, type("something new").type], ["string", "string"]);
});

test("bytes come as hexadecimal text, foreign values are refused", () => {
  const bytes = columnOf({ label: "v", typeName: "varbyte" });
  const batch = batchOf([bytes], [[{ stringValue: "00ff" }], [{ isNull: true }]]);
  assert.deepEqual(batch.columns[0]?.values, [Buffer.from([0, 255]), Buffer.alloc(0)]);
  assert.deepEqual(batch.columns[0].nullRows, [1]);
  const long = columnOf({ label: "n", typeName: "int8" });
  assert.throws(() => batchOf([long], [[{ stringValue: "5" }]]), RedshiftRequestError);
});

const reasons = [
  ["ERROR: 1023\n  Detail: Serializable isolation violation on table - 1", "REDSHIFT_CONFLICT"],
  ["ERROR: S3ServiceException:Slow,Status 503,Error SlowDown,Rid 1", "REDSHIFT_INTERRUPTED"],
  ["ERROR: S3ServiceException:Denied,Status 403,Error AccessDenied,Rid 1", "REDSHIFT_STATEMENT"],
  ["ERROR: Disk Full", "REDSHIFT_INTERRUPTED"],
  ['ERROR: relation "tweets" does not exist', "REDSHIFT_STATEMENT"],
  ["ERROR: S3CurlException: Failed to connect, CurlError 7, UserError 0", "REDSHIFT_INTERRUPTED"],
  ["ERROR: terminating connection due to administrator command", "REDSHIFT_INTERRUPTED"],
  ["ERROR: Packet for query is too large (76000 > 65536).", "REDSHIFT_ROW_SIZE"],
  ["Database response exceeded size limit", "REDSHIFT_RESULT_SIZE"],
  ["ERROR: TimeoutError in a function of ours", "REDSHIFT_STATEMENT"],
  [undefined, "REDSHIFT_STATEMENT"],
] as const;

for (const [error, code] of reasons) {
  test(`a statement that failed with ${JSON.stringify(error)} is ${code}`, () => {
    const ending = { status: "FAILED", error, sql: "COPY" };
    assert.equal(endedError("here", { id: "1" }, ending).code, code);
  });
}

test("errors of the service are named by what they ask for", () => {
  const said = (name: string, status?: number) =>
    Object.assign(new Error("said"), { name, $metadata: { httpStatusCode: status } });
  const codeOf = (name: string, status?: number) => requestError("try", said(name, status)).code;
  assert.equal(codeOf("ValidationException", 400), "REDSHIFT_REQUEST");
  assert.equal(codeOf("ThrottlingException", 400), "REDSHIFT_UNAVAILABLE");
  assert.equal(codeOf("ActiveStatementsExceededException", 400), "REDSHIFT_UNAVAILABLE");
  assert.equal(codeOf("InternalServerException", 500), "REDSHIFT_UNAVAILABLE");
  assert.equal(codeOf("AccessDeniedException", 400), "REDSHIFT_ACCESS");
  assert.equal(codeOf("TimeoutError"), "REDSHIFT_UNAVAILABLE");
  assert.equal(retryOf(requestError("try", said("TimeoutError"))), "backoff");
});
