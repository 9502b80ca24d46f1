import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  BatchExecuteStatementCommand,
  CancelStatementCommand,
  DescribeStatementCommand,
  ExecuteStatementCommand,
  GetStatementResultCommand,
  ListStatementsCommand,
  type ExecuteStatementInput,
} from "@aws-sdk/client-redshift-data";
import { SESSIONS_MAX } from "../src/redshift/engine/engine.ts";
import { ended, ENDED, openHarness, readRows, where, type Harness } from "./redshift-harness.ts";

/** Some half a second, and minutes. */
const HALF = "SELECT count(*) FROM generate_series(1, 6000000)";
const SLOW = "SELECT count(*) FROM generate_series(1, 2000000000)";
const NOBODY = "00000000-0000-0000-0000-000000000000";
let h: Harness;

before(async () => {
  h = await openHarness();
});
after(() => h[Symbol.asyncDispose]());

const send = (input: Partial<ExecuteStatementInput>) =>
  h.client.send(new ExecuteStatementCommand({ ...where, Sql: "SELECT 1", ...input }));

function post(body: string, headers: Record<string, string> = {}) {
  return fetch(h.url, {
    method: "POST",
    body,
    headers: {
      "x-amz-target": "RedshiftData.ExecuteStatement",
      authorization: "AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/redshift-data/aws4_request",
      ...headers,
    },
  });
}

async function typeOf(response: Response): Promise<[number, unknown]> {
  const body = (await response.json()) as { __type?: unknown };
  return [response.status, body.__type];
}

async function started(id: string | undefined): Promise<void> {
  for (;;) {
    const { Status } = await h.client.send(new DescribeStatementCommand({ Id: id }));
    if (Status === "STARTED") return;
    assert.ok(Status === "SUBMITTED" || Status === "PICKED", `is ${Status}`);
  }
}

async function startedPart(id: string | undefined, index: number): Promise<void> {
  for (;;) {
    const { SubStatements, Status } = await h.client.send(new DescribeStatementCommand({ Id: id }));
    if (SubStatements?.[index]?.Status === "STARTED") return;
    assert.ok(!ENDED.has(Status ?? ""), `is ${Status}`);
  }
}

const cancel = (Id: string | undefined) => h.client.send(new CancelStatementCommand({ Id }));

describe("wire", () => {
  it("answers /health", async () => {
    assert.equal((await fetch(`${h.url}/health`)).status, 200);
  });
  it("names an unknown operation", async () => {
    const response = await post("{}", { "x-amz-target": "RedshiftData.Nope" });
    assert.deepEqual(await typeOf(response), [400, "UnknownOperationException"]);
  });
  it("wants a signed request", async () => {
    const response = await post("{}", { authorization: "" });
    assert.deepEqual(await typeOf(response), [403, "MissingAuthenticationTokenException"]);
  });
  it("refuses a request signed for another service", async () => {
    const authorization = "AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/s3/aws4_request";
    assert.deepEqual(await typeOf(await post("{}", { authorization })), [
      403,
      "InvalidSignatureException",
    ]);
  });
  it("refuses a body that is not JSON", async () => {
    assert.deepEqual(await typeOf(await post("{")), [400, "SerializationException"]);
  });
  it("refuses an unknown member", async () => {
    const response = await post(JSON.stringify({ ...where, Sql: "SELECT 1", Nope: 1 }));
    assert.deepEqual(await typeOf(response), [400, "ValidationException"]);
  });
  it("sends timestamps as epoch seconds, and a request id", async () => {
    const response = await post(JSON.stringify({ ...where, Sql: "SELECT 1" }));
    const { CreatedAt } = (await response.json()) as { CreatedAt: number };
    assert.ok(Math.abs(CreatedAt * 1000 - Date.now()) < 60_000);
    assert.match(response.headers.get("x-amzn-requestid") ?? "", /^[0-9a-f-]{36}$/);
    assert.equal(response.headers.get("content-type"), "application/x-amz-json-1.1");
  });
  it("sends int64 with every digit", async () => {
    const done = await h.execute(
      "SELECT 9223372036854775807::bigint, '-9223372036854775808'::bigint",
    );
    const response = await post(JSON.stringify({ Id: done.Id }), {
      "x-amz-target": "RedshiftData.GetStatementResult",
    });
    const text = await response.text();
    assert.match(text, /\{"longValue":9223372036854775807\},\{"longValue":-9223372036854775808\}/);
  });
});

describe("validation", () => {
  const refuses = (title: string, input: Partial<ExecuteStatementInput>, message: RegExp) => {
    void it(title, () => assert.rejects(send(input), { name: "ValidationException", message }));
  };
  refuses("an empty statement", { Sql: "" }, /sql/);
  refuses("a statement over 100 kB", { Sql: `SELECT '${"x".repeat(100_000)}'` }, /100kB/);
  refuses("an empty parameter value", { Parameters: [{ name: "a", value: "" }] }, /value/);
  refuses("a parameter name with a dash", { Parameters: [{ name: "a-b", value: "1" }] }, /name/);
  refuses("a parameter without value", { Sql: "SELECT :a" }, /all parameters.*: a/);
  refuses("a parameter that is not used", { Parameters: [{ name: "a", value: "1" }] }, /not used/);
  refuses("cluster and workgroup together", { ClusterIdentifier: "c" }, /together/);
  refuses("neither cluster nor workgroup", { WorkgroupName: undefined }, /required/);
  refuses("no database", { Database: undefined }, /Database is required/);
  refuses("another database", { Database: "nope" }, /"nope" does not exist/);
  refuses("a wait over 30 s", { WaitTimeSeconds: 31 }, /waitTimeSeconds/);
  refuses("a client token over 64", { ClientToken: "x".repeat(65) }, /clientToken/);
  it("a batch of 41, and of none", async () => {
    const batch = (count: number) =>
      h.client.send(
        new BatchExecuteStatementCommand({ ...where, Sqls: Array(count).fill("SELECT 1") }),
      );
    await assert.rejects(batch(41), { name: "ValidationException" });
    await assert.rejects(batch(0), { name: "ValidationException" });
  });
  it("an id that nobody has, and one that is none", async () => {
    const describeId = (Id: string) => h.client.send(new DescribeStatementCommand({ Id }));
    await assert.rejects(describeId(NOBODY), {
      name: "ResourceNotFoundException",
      ResourceId: NOBODY,
    });
    await assert.rejects(describeId("nope"), { name: "ValidationException" });
  });
});

describe("states", () => {
  it("answers at once and runs later", async () => {
    const { Id, Status } = await send({ Sql: HALF });
    assert.equal(Status, undefined);
    await started(Id);
    const done = await ended(h.client, Id);
    assert.equal(done.Status, "FINISHED");
    assert.ok((done.Duration ?? 0) >= 10_000_000, "nanoseconds");
  });
  it("waits for the end when asked to, and tells it in the same answer", async () => {
    const { Status, HasResultSet } = await send({ WaitTimeSeconds: 20 });
    assert.deepEqual([Status, HasResultSet], ["FINISHED", true]);
  });
  it("gives up waiting after the time", async () => {
    const { Id, Status } = await send({ Sql: SLOW, WaitTimeSeconds: 1 });
    assert.equal(Status, "STARTED");
    await cancel(Id);
  });
  it("has no result before the end", async () => {
    const { Id } = await send({ Sql: HALF });
    const early = h.client.send(new GetStatementResultCommand({ Id }));
    await assert.rejects(early, { name: "ResourceNotFoundException" });
    const waited = new GetStatementResultCommand({ Id, WaitTimeSeconds: 20 });
    assert.equal((await h.client.send(waited)).TotalNumRows, 1);
  });
  it("fails with the engine's reason, and goes on", async () => {
    assert.match(await h.errorOf("SELECT * FROM nope"), /^ERROR: relation "nope" does not exist/);
    assert.deepEqual(await h.rows("SELECT 1"), [[1]]);
  });
  it("lists statements by state and name, newest first, in pages", async () => {
    for (const n of [1, 2, 3])
      await ended(h.client, (await send({ StatementName: `list-${n}` })).Id);
    const page = await h.client.send(
      new ListStatementsCommand({ StatementName: "list-", MaxResults: 2 }),
    );
    assert.deepEqual(
      page.Statements?.map((s) => s.StatementName),
      ["list-3", "list-2"],
    );
    const rest = await h.client.send(
      new ListStatementsCommand({ StatementName: "list-", NextToken: page.NextToken }),
    );
    assert.deepEqual(
      rest.Statements?.map((s) => s.StatementName),
      ["list-1"],
    );
  });
});

describe("cancel", () => {
  it("ends a running statement as ABORTED, and its successor runs", async () => {
    const { Id } = await send({ Sql: SLOW });
    await started(Id);
    const next = await send({ Sql: "SELECT 7" });
    assert.equal((await cancel(Id)).Status, true);
    assert.equal((await ended(h.client, Id)).Status, "ABORTED");
    assert.equal((await ended(h.client, next.Id)).Status, "FINISHED");
  });
  it("takes a waiting statement out of the queue", async () => {
    const slow = await Promise.all(Array.from({ length: SESSIONS_MAX }, () => send({ Sql: SLOW })));
    const waiting = await send({ Sql: "CREATE TABLE never (a int)" });
    assert.equal((await cancel(waiting.Id)).Status, true);
    assert.equal((await ended(h.client, waiting.Id)).Status, "ABORTED");
    for (const { Id } of slow) await cancel(Id);
    for (const { Id } of slow) assert.equal((await ended(h.client, Id)).Status, "ABORTED");
    assert.match(await h.errorOf("SELECT * FROM never"), /does not exist/);
  });
  it("rolls the transaction back and keeps what was committed before", async () => {
    await h.execute("CREATE TABLE cancelled (a int)");
    await h.execute("INSERT INTO cancelled VALUES (1)");
    const { Id } = await h.client.send(
      new BatchExecuteStatementCommand({
        ...where,
        Sqls: ["INSERT INTO cancelled VALUES (2)", SLOW],
      }),
    );
    await started(Id);
    await cancel(Id);
    const done = await ended(h.client, Id);
    assert.equal(done.Status, "ABORTED");
    assert.deepEqual(await h.rows("SELECT a FROM cancelled"), [[1]]);
  });
  it("refuses when the statement has ended", async () => {
    const done = await h.execute("SELECT 1");
    await assert.rejects(cancel(done.Id), {
      name: "ValidationException",
      message: /already in FINISHED state/,
    });
  });
});

describe("transactions at once", () => {
  it("run side by side, each on the state at its beginning", async () => {
    await h.execute("CREATE TABLE side (a int)");
    const slow = await h.client.send(
      new BatchExecuteStatementCommand({
        ...where,
        Sqls: ["INSERT INTO side VALUES (1)", SLOW],
      }),
    );
    await startedPart(slow.Id, 1);
    assert.deepEqual(await h.rows("SELECT count(*) FROM side"), [[0]]);
    assert.equal((await h.execute("INSERT INTO side VALUES (2)")).Status, "FINISHED");
    await cancel(slow.Id);
    assert.equal((await ended(h.client, slow.Id)).Status, "ABORTED");
    assert.deepEqual(await h.rows("SELECT a FROM side"), [[2]]);
  });
  it("of which two change one row do not both commit", async () => {
    await h.execute("CREATE TABLE contested (a int)");
    await h.execute("INSERT INTO contested VALUES (0)");
    const change = (by: number) =>
      h.client.send(
        new BatchExecuteStatementCommand({
          ...where,
          // Its snapshot is from the first statement, before the other commits.
          Sqls: [
            "SELECT a FROM contested",
            "SELECT count(*) FROM generate_series(1, 3000000)",
            `UPDATE contested SET a = a + ${by}`,
            "SELECT count(*) FROM generate_series(1, 3000000)",
          ],
        }),
      );
    const both = await Promise.all([change(1), change(10)]);
    const done = await Promise.all(both.map(({ Id }) => ended(h.client, Id)));
    assert.deepEqual(done.map((one) => one.Status).sort(), ["FAILED", "FINISHED"]);
    const failed = done.find((one) => one.Status === "FAILED");
    assert.match(failed?.Error ?? "", /ERROR: 1023\n {2}Detail: Serializable isolation violation/);
  });
  it("whose first statement locks a table see what the former holder committed", async () => {
    const append = () =>
      h.client.send(
        new BatchExecuteStatementCommand({
          ...where,
          Sqls: ["LOCK side", "INSERT INTO side SELECT MAX(a) + 1 FROM side"],
        }),
      );
    const all = await Promise.all([append(), append(), append(), append()]);
    for (const { Id } of all) assert.equal((await ended(h.client, Id)).Status, "FINISHED");
    assert.deepEqual(await h.rows("SELECT a FROM side ORDER BY a"), [[2], [3], [4], [5], [6]]);
  });
});

describe("client tokens", () => {
  it("run a statement once", async () => {
    await h.execute("CREATE TABLE tokens (a int)");
    const input = { Sql: "INSERT INTO tokens VALUES (1)", ClientToken: "once" };
    const ids = [await send(input), await send(input)].map(({ Id }) => Id);
    assert.equal(ids[0], ids[1]);
    await ended(h.client, ids[0]);
    assert.equal((await send(input)).Id, ids[0]);
    assert.deepEqual(await h.rows("SELECT count(*) FROM tokens"), [[1]]);
  });
  it("refuse other parameters", async () => {
    await assert.rejects(send({ Sql: "SELECT 2", ClientToken: "once" }), {
      name: "ValidationException",
    });
  });
});

describe("batches", () => {
  it("commit together, with ids, results and states of their own", async () => {
    const done = await h.batch([
      "CREATE TABLE together (a int)",
      "INSERT INTO together VALUES (1), (2)",
      "SELECT sum(a) FROM together",
    ]);
    assert.equal(done.Status, "FINISHED", done.Error);
    assert.deepEqual(
      done.SubStatements?.map((s) => [s.Id, s.Status, s.HasResultSet, s.ResultRows]),
      [
        [`${done.Id}:1`, "FINISHED", false, 0],
        [`${done.Id}:2`, "FINISHED", false, 2],
        [`${done.Id}:3`, "FINISHED", true, 1],
      ],
    );
    assert.deepEqual(await readRows(h.client, `${done.Id}:3`), [[3]]);
    const one = await h.client.send(new DescribeStatementCommand({ Id: `${done.Id}:2` }));
    assert.equal(one.QueryString, "INSERT INTO together VALUES (1), (2)");
  });
  it("fail together: the first error counts, nothing after it runs", async () => {
    const done = await h.batch([
      "INSERT INTO together VALUES (3)",
      "INSERT INTO together VALUES ('x')",
      "CREATE TABLE after_failure (a int)",
    ]);
    assert.equal(done.Status, "FAILED");
    assert.match(done.Error ?? "", /^Query #2 failed with ERROR: invalid input syntax/);
    assert.deepEqual(
      done.SubStatements?.map((s) => s.Status),
      ["FINISHED", "FAILED", "ABORTED"],
    );
    assert.deepEqual(await h.rows("SELECT max(a) FROM together"), [[2]]);
  });
  it("have no result of their own", async () => {
    const done = await h.batch(["SELECT 1"]);
    await assert.rejects(readRows(h.client, done.Id ?? ""), { name: "ValidationException" });
  });
  it("commit one by one with AUTO_COMMIT", async () => {
    const { Id } = await h.client.send(
      new BatchExecuteStatementCommand({
        ...where,
        ExecutionMode: "AUTO_COMMIT",
        Sqls: ["CREATE TABLE one_by_one (a int)", "SELECT nope"],
      }),
    );
    assert.equal((await ended(h.client, Id)).Status, "FAILED");
    assert.deepEqual(await h.rows("SELECT count(*) FROM one_by_one"), [[0]]);
  });
  it("share parameters", async () => {
    const { Id } = await h.client.send(
      new BatchExecuteStatementCommand({
        ...where,
        Sqls: ["SELECT :a::int", "SELECT :b"],
        Parameters: [
          { name: "a", value: "1" },
          { name: "b", value: "two" },
        ],
      }),
    );
    await ended(h.client, Id);
    assert.deepEqual(await readRows(h.client, `${Id}:1`), [[1]]);
    assert.deepEqual(await readRows(h.client, `${Id}:2`), [["two"]]);
  });
  it("keep temporary tables to themselves", async () => {
    const sqls = ["CREATE TEMP TABLE mine (a int)", "INSERT INTO mine VALUES (1)"];
    assert.equal((await h.batch([...sqls, "SELECT * FROM mine"])).Status, "FINISHED");
    assert.match(await h.errorOf("SELECT * FROM mine"), /does not exist/);
    assert.equal((await h.batch(sqls)).Status, "FINISHED");
  });
});

describe("results", () => {
  it("come in pages that add up, in order", async () => {
    const done = await h.execute(
      "SELECT n, repeat('x', 1000) FROM generate_series(1, 5000) n ORDER BY n",
    );
    assert.equal(done.ResultRows, 5000);
    const first = await h.client.send(new GetStatementResultCommand({ Id: done.Id }));
    assert.ok((first.Records?.length ?? 0) < 5000 && first.NextToken !== undefined);
    assert.equal(first.TotalNumRows, 5000);
    const rows = await readRows(h.client, done.Id ?? "");
    assert.deepEqual(
      rows.map(([n]) => n),
      Array.from({ length: 5000 }, (_, i) => i + 1),
    );
  });
  it("describe their columns as Redshift does", async () => {
    const done = await h.execute(
      `SELECT 1::smallint a, 1 b, 1::bigint c, 1::real d, 1::float8 e, 1.5::numeric(10,2) f, true g,
       'x'::varchar(20) h, 'x'::char(3) i, date '2026-11-23' j, timestamp '2026-11-23 10:00:00.5' k`,
    );
    const result = await h.client.send(new GetStatementResultCommand({ Id: done.Id }));
    const columns = result.ColumnMetadata ?? [];
    const [row = []] = result.Records ?? [];
    assert.deepEqual(
      columns.map((c) => c.typeName),
      [
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "bool",
        "varchar",
        "bpchar",
        "date",
        "timestamp",
      ],
    );
    assert.deepEqual([columns[5]?.precision, columns[5]?.scale], [10, 2]);
    assert.equal(columns[7]?.length, 20);
    assert.deepEqual(row.slice(5, 7), [{ stringValue: "1.50" }, { booleanValue: true }]);
    assert.deepEqual(row[10], { stringValue: "2026-11-23 10:00:00.5" });
  });
  it("have rows of at most 64 KB", async () => {
    await h.execute("CREATE TABLE wide (a VARCHAR(65535), b VARCHAR(65535))");
    await h.execute("INSERT INTO wide SELECT REPEAT('🦜', 16000), REPEAT('🦜', 9000)");
    assert.match(await h.errorOf("SELECT * FROM wide"), /limit of 64 KB/);
    assert.equal((await h.rows("SELECT a FROM wide")).length, 1);
  });
  it("tell NULL from the empty text", async () => {
    assert.deepEqual(await h.rows("SELECT NULL, ''"), [[null, ""]]);
  });
  it("have columns even without rows", async () => {
    const done = await h.execute("SELECT 1 AS a WHERE false");
    const result = await h.client.send(new GetStatementResultCommand({ Id: done.Id }));
    assert.deepEqual([result.TotalNumRows, result.ColumnMetadata?.[0]?.name], [0, "a"]);
  });
  it("refuse a page token of another statement", async () => {
    const done = await h.execute("SELECT 1");
    const forged = new GetStatementResultCommand({ Id: done.Id, NextToken: "AAAA" });
    await assert.rejects(h.client.send(forged), { name: "ValidationException" });
  });
  it("carry four-byte characters and right-to-left text", async () => {
    const text = '🦜 שלום "quoted" \\ \u0001';
    assert.deepEqual(await h.rows("SELECT :t", { t: text }), [[text]]);
  });
  it("do not exist for statements without rows", async () => {
    const done = await h.execute("CREATE TABLE no_rows (a int)");
    assert.equal(done.HasResultSet, false);
    await assert.rejects(readRows(h.client, done.Id ?? ""), { name: "ResourceNotFoundException" });
  });
});

describe("parameters", () => {
  it("are values, whatever they hold", async () => {
    const nasty = "'); DROP TABLE together; -- $$ \\";
    assert.deepEqual(await h.rows("SELECT :v", { v: nasty }), [[nasty]]);
  });
  it("are not looked for in texts, comments, quoted names and casts", async () => {
    assert.deepEqual(await h.rows(`SELECT ':a' AS ":b", 1::int /* :c */ -- :d`), [[":a", 1]]);
  });
  it("take the type of their place", async () => {
    const sql = "SELECT n FROM generate_series(1, 9) n WHERE n > :low ORDER BY n LIMIT :most";
    assert.deepEqual(await h.rows(sql, { low: "3", most: "2" }), [[4], [5]]);
  });
});
