import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import {
  RedshiftResultSizeError,
  RedshiftRowSizeError,
  type ExecuteOptions,
  type Redshift,
} from "@hybridge/redshift";
import { redshiftEngine } from "../src/engines.ts";

const signal = new AbortController().signal;
const options = { signal, timeoutMs: 1_234, onStarted: () => undefined };

/** A warehouse that fails the first statements with given errors and remembers what it was asked. */
function scripted(errors: Error[]) {
  const asked: { sql: string; options: ExecuteOptions }[] = [];
  const redshift: Redshift = {
    address: "scripted",
    execute(sql, options) {
      asked.push({ sql, options });
      const error = errors.shift();
      if (error) return Promise.reject(error);
      const result = { statementId: "1", columns: [], rows: 0n, batches: Readable.from([]) };
      return Promise.resolve(result);
    },
    transaction: () => Promise.reject(new Error("not asked for")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { engine: redshiftEngine(redshift), asked };
}

const prepared = { sql: "/* x */ SELECT a FROM t", parameters: [{ name: "p", value: "v" }] };

test("limits of time and rows reach Redshift, with one row more that tells of the rest", async () => {
  const { engine, asked } = scripted([]);
  await engine.execute(prepared, { ...options, rowsMax: 100 });
  assert.equal(asked[0]?.sql, "/* x */ SELECT a FROM t LIMIT 101");
  assert.equal(asked[0].options.timeoutMs, 1_234);
  assert.deepEqual(asked[0].options.parameters, { p: "v" });
  await engine.execute(prepared, options);
  assert.equal(asked[1]?.sql, prepared.sql);
});

test("a result that the Data API does not carry is asked for again, and is truncated", async () => {
  const tooLarge = new RedshiftResultSizeError("500 MB", { id: "1" }, "");
  const { engine, asked } = scripted([tooLarge]);
  const result = await engine.execute(prepared, { ...options, rowsMax: 1_000_000 });
  assert.equal(result.rowsMax, 7_500);
  assert.deepEqual(
    asked.map(({ sql }) => /\d+$/.exec(sql)?.[0]),
    ["1000001", "7501"],
  );
});

test("a row that the Data API does not carry is refused, not tried again", async () => {
  const { engine, asked } = scripted([new RedshiftRowSizeError("64 KB", { id: "1" }, "")]);
  const running = engine.execute(prepared, { ...options, rowsMax: 1_000_000 });
  await assert.rejects(running, RedshiftRowSizeError);
  assert.equal(asked.length, 1);
});
