import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeStatementCommand, RedshiftDataClient } from "@aws-sdk/client-redshift-data";
import { startRedshift, type Redshift as LocalRedshift } from "@hybridge/local";
import {
  openRedshift,
  RedshiftRequestError,
  RedshiftStatementError,
  type Redshift,
  type RedshiftBatch,
  type RedshiftResult,
} from "../src/index.ts";

const signal = new AbortController().signal;
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
let directory: string;
let local: LocalRedshift;
let redshift: Redshift;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-redshift-client-"));
  local = await startRedshift({ dir: directory });
  redshift = open("dev");
});

after(async () => {
  await redshift[Symbol.asyncDispose]();
  await local.stop();
  await rm(directory, { recursive: true, force: true });
});

function open(database: string): Redshift {
  const { endpoint } = local.addresses;
  return openRedshift({ endpoint, region: "us-east-1", workgroup: "local", database, credentials });
}

async function batchesOf(result: RedshiftResult): Promise<RedshiftBatch[]> {
  const batches: RedshiftBatch[] = [];
  for await (const batch of result.batches) batches.push(batch);
  return batches;
}

async function statusOf(id: string): Promise<string | undefined> {
  const { endpoint } = local.addresses;
  const client = new RedshiftDataClient({ endpoint, region: "us-east-1", credentials });
  const { Status } = await client.send(new DescribeStatementCommand({ Id: id }));
  client.destroy();
  return Status;
}

/** Keeps the engine busy for much longer than a test waits. */
const ENDLESS = `WITH RECURSIVE n(i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM n
  WHERE i < 1000000000) SELECT max(i) FROM n`;

describe("statements", () => {
  it("give every type exactly, with nulls in their places", async () => {
    const result = await redshift.execute(
      `SELECT 9223372036854775807::bigint AS l, (-9223372036854775807 - 1)::bigint AS m,
         123456789012345678.90::decimal(20,2) AS d, 0.1::float8 AS f, 'NaN'::float8 AS x,
         true AS b, 'zwölf 🦊 "longValue":1234567890123456789' AS s, '2026-11-23'::date AS day,
         '2026-11-23 09:00:00.123456'::timestamp AS t, NULL::bigint AS n, '' AS e, 7::smallint AS l
       UNION ALL SELECT 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 5, NULL, NULL`,
      { signal },
    );
    const types = result.columns.map(({ name, type }) => `${name} ${type}`);
    assert.deepEqual(types, [
      "l int64",
      "m int64",
      "d decimal",
      "f double",
      "x double",
      "b bool",
      "s string",
      "day date",
      "t timestamp",
      "n int64",
      "e string",
      "l int64",
    ]);
    assert.equal(result.columns[0]?.engineType, "int8");
    assert.equal(result.rows, 2n);
    const [batch, ...rest] = await batchesOf(result);
    assert.equal(rest.length, 0);
    assert.equal(batch?.rowCount, 2);
    const values = batch.columns.map((column) => column.values);
    assert.deepEqual(values, [
      [9223372036854775807n, 1n],
      [-9223372036854775808n, 0n],
      ["123456789012345678.90", ""],
      [0.1, 0],
      [NaN, 0],
      [true, false],
      ['zwölf 🦊 "longValue":1234567890123456789', ""],
      ["2026-11-23", ""],
      ["2026-11-23 09:00:00.123456", ""],
      [0n, 5n],
      ["", ""],
      [7n, 0n],
    ]);
    const nulls = batch.columns.map((column) => column.nullRows.join());
    assert.deepEqual(nulls, ["", "1", "1", "1", "1", "1", "1", "1", "1", "0", "1", "1"]);
  });

  it("take parameters of every kind", async () => {
    const result = await redshift.execute(
      `SELECT :text AS a, :empty AS b, :nothing::int AS c, :number::bigint AS d, :yes::boolean AS e,
         ':text' AS f`,
      {
        signal,
        parameters: { text: "it's", empty: "", nothing: null, number: 2n ** 62n, yes: true },
      },
    );
    const [batch] = await batchesOf(result);
    const row = batch?.columns.map(({ values, nullRows }) => (nullRows.length ? null : values[0]));
    assert.deepEqual(row, ["it's", "", null, 4611686018427387904n, true, ":text"]);
    await assert.rejects(
      redshift.execute("SELECT 1", { signal, parameters: { unused: "1" } }),
      RedshiftRequestError,
    );
  });

  it("come in pages, each row once and in order", async () => {
    const sql = `WITH RECURSIVE n(i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM n
      WHERE i < 60000) SELECT i, 'some text that fills the pages ' || i FROM n ORDER BY i`;
    const result = await redshift.execute(sql, { signal });
    const batches = await batchesOf(result);
    assert.ok(batches.length > 1, "one page is no proof");
    const numbers = batches.flatMap((batch) => batch.columns[0]?.values as bigint[]);
    assert.equal(numbers.length, 60_000);
    assert.ok(numbers.every((number, index) => number === BigInt(index + 1)));
  });

  it("without rows have neither columns nor batches", async () => {
    const made = await redshift.execute("CREATE TABLE plain (a int)", { signal });
    assert.deepEqual([made.columns, await batchesOf(made)], [[], []]);
    const written = await redshift.execute("INSERT INTO plain VALUES (1), (2)", { signal });
    assert.equal(written.rows, 2n);
    const none = await redshift.execute("SELECT a FROM plain WHERE a > 2", { signal });
    assert.equal(none.columns[0]?.name, "a");
    assert.deepEqual(await batchesOf(none), []);
  });

  it("that are refused say why, and which they were", async () => {
    await assert.rejects(
      redshift.execute("SELECT *\n  FROM missing_table", { signal }),
      (error) => {
        assert.ok(error instanceof RedshiftStatementError);
        assert.match(error.message, /SELECT \* FROM missing_table.*"missing_table" does not exist/);
        return true;
      },
    );
    await using elsewhere = open("nowhere");
    await assert.rejects(elsewhere.execute("SELECT 1", { signal }), RedshiftRequestError);
  });
});

describe("cancelling", () => {
  it("reaches the engine", async () => {
    const controller = new AbortController();
    const reason = new Error("the caller has gone");
    let id = "";
    const running = redshift.execute(ENDLESS, {
      signal: controller.signal,
      onStarted(statementId) {
        id = statementId;
        setTimeout(() => controller.abort(reason), 200);
      },
    });
    await assert.rejects(running, reason);
    await untilAborted(id);
    const after = await redshift.execute("SELECT 1", { signal });
    assert.equal(after.rows, 1n);
  });

  it("reaches a statement whose id was not known yet", async () => {
    const controller = new AbortController();
    const running = redshift.execute(ENDLESS, { signal: controller.signal });
    controller.abort();
    await assert.rejects(running, { name: "AbortError" });
    const after = await redshift.execute("SELECT 2", { signal });
    assert.equal(after.rows, 1n);
  });

  it("happens to all statements of a client that is closed", async () => {
    const ids: string[] = [];
    const other = open("dev");
    const onStarted = (id: string) => void ids.push(id);
    const running = [
      other.execute(ENDLESS, { signal, onStarted }),
      other.execute(ENDLESS, { signal, onStarted }),
    ];
    const outcomes = Promise.allSettled(running);
    while (ids.length < 2) await sleep(10);
    await other[Symbol.asyncDispose]();
    for (const { status } of await outcomes) assert.equal(status, "rejected");
    for (const id of ids) await untilAborted(id);
  });

  async function untilAborted(id: string): Promise<void> {
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await statusOf(id)) === "ABORTED") return;
      await sleep(50);
    }
    assert.equal(await statusOf(id), "ABORTED");
  }
});

describe("transactions", () => {
  it("are all or nothing, and name the statement that failed", async () => {
    const sqls = [
      "CREATE TABLE half (a int)",
      "INSERT INTO half VALUES (1)",
      "INSERT INTO nobody VALUES (1)",
    ];
    await assert.rejects(redshift.transaction(sqls, { signal }), (error) => {
      assert.ok(error instanceof RedshiftStatementError);
      assert.match(error.message, /INSERT INTO nobody VALUES/);
      return true;
    });
    await assert.rejects(redshift.execute("SELECT * FROM half", { signal }), /does not exist/);
  });

  it("with a token run once, and tell every caller how it went", async () => {
    await redshift.execute("CREATE TABLE once (a int)", { signal });
    const sqls = ["INSERT INTO once VALUES (1)", "INSERT INTO once VALUES (2), (3)"];
    const first = await redshift.transaction(sqls, { signal, token: "load-1" });
    const again = await redshift.transaction(sqls, { signal, token: "load-1" });
    assert.deepEqual(again, first);
    assert.deepEqual(first.rows, [1n, 2n]);
    const { rows } = await redshift.execute("SELECT * FROM once", { signal });
    assert.equal(rows, 3n);
  });
});
