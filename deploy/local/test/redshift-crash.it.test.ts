import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  BatchExecuteStatementCommand,
  DescribeStatementCommand,
  ExecuteStatementCommand,
  type RedshiftDataClient,
} from "@aws-sdk/client-redshift-data";
import { startRedshift, type Redshift } from "../src/redshift-endpoint.ts";
import { clientOf, ended, readRows, where } from "./redshift-harness.ts";

const stack = new AsyncDisposableStack();
let endpoint: Redshift;
let client: RedshiftDataClient;

before(async () => {
  const dir = await mkdtemp(join(tmpdir(), "hybridge-redshift-crash-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  endpoint = stack.use(await startRedshift({ dir }));
  client = clientOf(endpoint.addresses.endpoint);
  stack.defer(() => client.destroy());
});
after(() => stack.disposeAsync());

async function run(sql: string, token?: string): Promise<string> {
  const { Id = "" } = await client.send(
    new ExecuteStatementCommand({ ...where, Sql: sql, ClientToken: token }),
  );
  const done = await ended(client, Id);
  assert.equal(done.Status, "FINISHED", done.Error);
  return Id;
}

async function crash(): Promise<void> {
  await endpoint.kill("SIGKILL");
  await endpoint.restart();
}

describe("a killed endpoint", () => {
  it("keeps what was committed, statements, results and client tokens", async () => {
    await run("CREATE TABLE kept (a INT)");
    const insert = await run("INSERT INTO kept VALUES (1)", "insert-once");
    const select = await run("SELECT a FROM kept");
    await crash();
    assert.deepEqual(await readRows(client, select), [[1]]);
    assert.equal(await run("INSERT INTO kept VALUES (1)", "insert-once"), insert);
    assert.deepEqual(await readRows(client, await run("SELECT count(*) FROM kept")), [[1]]);
  });

  it("rolls back what was running, and says so", async () => {
    const { Id } = await client.send(
      new BatchExecuteStatementCommand({
        ...where,
        Sqls: [
          "INSERT INTO kept VALUES (2)",
          "SELECT count(*) FROM generate_series(1, 2000000000)",
        ],
      }),
    );
    for (;;) {
      const now = await client.send(new DescribeStatementCommand({ Id }));
      if (now.SubStatements?.[1]?.Status === "STARTED") break;
    }
    await crash();
    const done = await ended(client, Id);
    assert.equal(done.Status, "FAILED");
    assert.match(done.Error ?? "", /endpoint was stopped while the statement ran/);
    assert.deepEqual(await readRows(client, await run("SELECT a FROM kept")), [[1]]);
  });

  it("knows of each statement that was in flight whether it was committed", async (t) => {
    const seed = Number(process.env["HYBRIDGE_TEST_SEED"] ?? Date.now() % 100_000);
    t.diagnostic(`seed ${seed}`);
    const random = generator(seed);
    for (let round = 0; round < 3; round++) {
      const ids: string[] = [];
      for (let n = 0; n < 40; n++) {
        const { Id = "" } = await client.send(
          new ExecuteStatementCommand({
            ...where,
            Sql: `INSERT INTO kept VALUES (${round * 100 + n + 10})`,
          }),
        );
        ids.push(Id);
      }
      await new Promise((resolve) => setTimeout(resolve, random() * 60));
      await crash();
      const statuses = await Promise.all(ids.map(async (id) => (await ended(client, id)).Status));
      const finished = statuses.flatMap((s, n) => (s === "FINISHED" ? [round * 100 + n + 10] : []));
      const low = round * 100 + 10;
      const rows = await readRows(
        client,
        await run(`SELECT a FROM kept WHERE a BETWEEN ${low} AND ${low + 39} ORDER BY a`),
      );
      assert.deepEqual(
        rows,
        finished.map((a) => [a]),
        `round ${round}: ${statuses.join(" ")}`,
      );
    }
  });
});

/** Mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
