import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { retryOf } from "@hybridge/core";
import type { LedgerEntry } from "@hybridge/landing";
import { memoryBlobs, memoryDisk } from "@hybridge/landing/testing";
import type { Redshift, TransactionOptions } from "../src/api.ts";
import { redshiftCatalog } from "../src/catalog.ts";
import { batchOf, columnOf } from "../src/columns.ts";
import {
  RedshiftRequestError,
  RedshiftStatementError,
  RedshiftUnavailableError,
} from "../src/errors.ts";
import { endedError, requestError } from "../src/failures.ts";
import { bindParameters } from "../src/parameters.ts";

const signal = new AbortController().signal;

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

function entryOf(first: number, over: Partial<LedgerEntry["cut"]> = {}): LedgerEntry {
  const cut = { topic: "hybrid", partition: 0, first: BigInt(first), last: BigInt(first + 9) };
  const file = { name: `f${first}`, dt: "", hr: "", rows: 10, bytes: 100 + first, sha256: "" };
  return {
    cut: { ...cut, decidedAtMs: 1_700_000_000_123, schema: "v1", ...over },
    files: [{ ...file, location: `s3://b/f${first}` }],
    rows: 10,
    deadLetters: 0,
  };
}

/** A warehouse that ends each transaction as the test says and remembers what it was asked for. */
function scripted(endings: (Error | "ok")[]) {
  const tokens: string[] = [];
  const loads: (readonly string[])[] = [];
  const redshift: Redshift = {
    address: "scripted",
    execute: () =>
      Promise.resolve({ statementId: "0", columns: [], rows: 0n, batches: Readable.from([]) }),
    transaction(sqls: readonly string[], { token = "" }: TransactionOptions) {
      tokens.push(token);
      loads.push(sqls);
      const ending = endings.shift() ?? "ok";
      return ending === "ok"
        ? Promise.resolve({ statementId: "1", rows: [] })
        : Promise.reject(ending);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { redshift, tokens, loads };
}

const failed = (sql = "COPY") => new RedshiftStatementError("failed", { id: "1" }, sql);

test("an answer that was lost is asked for with the same token, also by the next process", async () => {
  const { redshift, tokens } = scripted([new RedshiftUnavailableError("no answer")]);
  const blobs = memoryBlobs(memoryDisk());
  await assert.rejects(redshiftCatalog({ redshift, blobs }).register([entryOf(0)], signal));
  await redshiftCatalog({ redshift, blobs }).register([entryOf(0)], signal);
  assert.equal(tokens[0]?.length, 64);
  assert.equal(tokens[1], tokens[0]);
  await redshiftCatalog({ redshift, blobs }).register([entryOf(10)], signal);
  assert.notEqual(tokens[2], tokens[0]);
});

test("a failure that may be of another time is no news; the next one is, by no clock", async () => {
  const { redshift, tokens } = scripted([failed(), failed(), failed(), "ok"]);
  const catalog = redshiftCatalog({ redshift, blobs: memoryBlobs(memoryDisk()) });
  await assert.rejects(catalog.register([entryOf(0)], signal), RedshiftStatementError);
  assert.equal(tokens.length, 2);
  await assert.rejects(catalog.register([entryOf(0)], signal), RedshiftStatementError);
  await catalog.register([entryOf(0)], signal);
  assert.equal(new Set(tokens).size, 4);
});

test("a load whose ledger another process has moved is made anew from where it ends", async () => {
  const moved = failed('INSERT INTO "a"."b" ("as_expected") SELECT 1');
  const { redshift, loads } = scripted([moved, moved, "ok"]);
  const catalog = redshiftCatalog({ redshift, blobs: memoryBlobs(memoryDisk()) });
  await catalog.register([entryOf(0)], signal);
  await catalog.register([entryOf(10)], signal);
  assert.equal(loads.length, 4);
  for (const [first = "", second = ""] of loads) {
    assert.match(first, /^LOCK "hybridge"\."tweets_load_lock"$/);
    assert.match(second, /^INSERT INTO "hybridge"\."tweets_load_lock" \("as_expected"\)/);
  }
  assert.match(loads[2]?.[1] ?? "", /"ended" <> 0/);
  assert.match(loads[3]?.[1] ?? "", /WHEN 0 THEN 9 .*"ended" <> 1/s);
});

test("the manifest names every file once, as mandatory and with its length", async () => {
  const disk = memoryDisk();
  const { redshift } = scripted([]);
  const catalog = redshiftCatalog({ redshift, blobs: memoryBlobs(disk) });
  await catalog.register([entryOf(0), entryOf(10), entryOf(0)], signal);
  const [name] = disk.files.keys();
  assert.match(name ?? "", /^_loads\/[0-9a-f]{64}\.manifest$/);
  assert.deepEqual(JSON.parse(String(disk.files.get(name ?? ""))), {
    entries: [
      { url: "s3://b/f0", mandatory: true, meta: { content_length: 100 } },
      { url: "s3://b/f10", mandatory: true, meta: { content_length: 110 } },
    ],
  });
});

test("names of tables are quoted; what Redshift would not take or fold is refused", () => {
  const { redshift } = scripted([]);
  const catalogOf = (table: string, schema = "hybridge") =>
    redshiftCatalog({ redshift, schema, table });
  for (const name of ["raw", 'we "quote" it', "naïve", "0", "a.b", "x; drop"])
    catalogOf(name, name);
  assert.throws(() => catalogOf("Tweets"), /lower case/);
  assert.throws(() => catalogOf(""), /1 to 117 bytes/);
  assert.throws(() => catalogOf("é".repeat(59)), /1 to 117 bytes/);
  assert.throws(() => catalogOf("t", "a\0b"), /control/);
  assert.throws(() => catalogOf("hybridge_load_posts"), /hybridge_load_/);
});
