import assert from "node:assert/strict";
import { test } from "node:test";
import { HybridgeError, readConfig, UnavailableError } from "@hybridge/core";
import {
  Engine,
  QueryServiceClient,
  type ExecuteResponse,
  type Value,
} from "@hybridge/proto/hybridge/query/v1/query_service";
import { Side, TweetServiceClient } from "@hybridge/proto/hybridge/tweets/v1/tweet_service";
import {
  callServerStream,
  callUnary,
  createClient,
  RpcCallError,
  rpcSettings,
  startRpcServer,
} from "@hybridge/rpc";
import { guardEngine } from "../src/engine.ts";
import { engineHealth } from "../src/health.ts";
import { queryService } from "../src/rpc/query-service.ts";
import { tweetService } from "../src/rpc/tweet-service.ts";
import {
  column,
  fakeEngine,
  hang,
  int64s,
  resultOf,
  rowsOf,
  strings,
  type Answer,
} from "./fake-engine.ts";

const tables = {
  hive: "hybridge.tweets",
  redshift: "hybridge.tweets",
  redshiftDeletions: "hybridge.tweets_deletions",
};
const one: Answer = () => Promise.resolve(rowsOf([[1n]]));

interface Setup {
  readonly hive?: Answer;
  readonly redshift?: Answer;
  readonly limits?: Partial<{ rowsMax: number; bytesMax: number; batchBytes: number }>;
  readonly msMax?: number;
}

/** A gateway on fake engines, and clients for it. */
async function gateway(setup: Setup) {
  const hive = fakeEngine("hive", setup.hive ?? one);
  const redshift = fakeEngine("redshift", setup.redshift ?? one);
  const emit = () => undefined;
  const health = engineHealth([hive.target, redshift.target], emit);
  const guarded = [hive, redshift].map(({ target }) => guardEngine(target, 2, health, emit));
  const engines = new Map(guarded.map((each) => [each.engine, each]));
  const limits = { rowsMax: 1_000_000, bytesMax: 1e9, batchBytes: 65_536, ...setup.limits };
  const time = { msMax: setup.msMax ?? 60_000 };
  const server = await startRpcServer({
    config: readConfig(rpcSettings, {}),
    emit,
    services: [
      queryService({ engines, limits, time, health }),
      tweetService({ engines, time, tables }),
    ],
  });
  const query = createClient(QueryServiceClient, server.address);
  const execute = (
    sql: string,
    options: {
      engine?: Engine;
      parameters?: Record<string, Value>;
      maxRows?: bigint;
      deadlineMs?: number;
      signal?: AbortSignal;
    } = {},
  ) => {
    const {
      engine = Engine.HIVE,
      parameters = {},
      maxRows = 0n,
      deadlineMs = 10_000,
      signal,
    } = options;
    return callServerStream(
      query.execute.bind(query),
      { engine, sql, parameters, maxRows },
      { deadlineMs, signal },
    );
  };
  return {
    hive,
    redshift,
    execute,
    all: (...args: Parameters<typeof execute>) => collect(execute(...args)),
    status: () => callUnary(query.getStatus.bind(query), {}, { deadlineMs: 5_000 }),
    address: server.address,
    async [Symbol.asyncDispose]() {
      query.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const rowsIn = (parts: readonly ExecuteResponse[]) =>
  parts.reduce((sum, { part }) => sum + (part?.$case === "batch" ? part.batch.rowCount : 0), 0);

const statisticsOf = (parts: readonly ExecuteResponse[]) => {
  const last = parts.at(-1)?.part;
  assert.equal(last?.$case, "statistics");
  return last.statistics;
};

const failsWith = (status: string, reason?: string) => (error: unknown) => {
  assert.ok(error instanceof RpcCallError, String(error));
  assert.equal(error.status, status, error.message);
  if (reason !== undefined) assert.equal(error.reason, reason);
  return true;
};

test("a result comes as schema, batches and statistics, exact", async () => {
  const columns = [column("id", "int64"), column("text", "string"), column("price", "decimal")];
  const batch = {
    rowCount: 3,
    columns: [
      int64s([9_007_199_254_740_993n, 0n, -(2n ** 63n)], [1]),
      strings(["a", "", "\u{1f600}"], [1]),
      strings(["0.10", "1234567890123456789.01", ""], [2]),
    ],
  };
  await using it = await gateway({ hive: () => Promise.resolve(resultOf(columns, [batch])) });
  const parts = await it.all("select * from tweets where id = :id", {
    parameters: { id: { kind: { $case: "int64Value", int64Value: -5n } } },
  });
  assert.match(
    it.hive.seen[0] ?? "",
    /^\/\* traceparent=\S+ \*\/ select \* from tweets where id = +\(-5\)/,
  );
  const [schema, data] = parts;
  assert.equal(schema?.part?.$case, "schema");
  assert.deepEqual(
    schema.part.schema.columns.map(({ name, type }) => [name, type]),
    [
      ["id", 2],
      ["text", 5],
      ["price", 4],
    ],
  );
  assert.equal(data?.part?.$case, "batch");
  assert.deepEqual(data.part.batch.columns[0]?.int64s, [9_007_199_254_740_993n, 0n, -(2n ** 63n)]);
  assert.deepEqual(data.part.batch.columns[1]?.strings, ["a", "", "\u{1f600}"]);
  assert.deepEqual(
    data.part.batch.columns.map(({ nullRows }) => nullRows),
    [[1], [1], [2]],
  );
  assert.deepEqual([statisticsOf(parts).rows, statisticsOf(parts).truncated], [3n, false]);
});

const wide = (rowCount: number) => ({
  rowCount,
  columns: [
    strings(
      Array.from({ length: rowCount }, () => "x".repeat(998)),
      [rowCount - 1],
    ),
  ],
});

test("large batches are cut into messages of the set size, and every null keeps its row", async () => {
  await using it = await gateway({
    hive: () => Promise.resolve(resultOf([column("t", "string")], [wide(1_000)])),
  });
  const parts = await it.all("select t from tweets");
  const batches = parts.flatMap(({ part }) => (part?.$case === "batch" ? [part.batch] : []));
  assert.equal(rowsIn(parts), 1_000);
  assert.equal(batches.length, Math.ceil(1_000 / 65));
  const nulls = batches.map(({ columns }) => columns[0]?.nullRows ?? []);
  assert.deepEqual(nulls.flat(), [(batches.at(-1)?.rowCount ?? 0) - 1]);
});

test("limits cut a result and say so, but only when there was more", async () => {
  const answer: Answer = () =>
    Promise.resolve(resultOf([column("t", "string")], [wide(100), wide(100)]));
  await using it = await gateway({ hive: answer, limits: { rowsMax: 150 } });
  const cut = await it.all("select t from tweets");
  assert.deepEqual([rowsIn(cut), statisticsOf(cut).truncated], [150, true]);
  const asked = await it.all("select t from tweets", { maxRows: 7n });
  assert.deepEqual([rowsIn(asked), statisticsOf(asked).truncated], [7, true]);
  await using exact = await gateway({ hive: answer, limits: { rowsMax: 200 } });
  assert.equal(statisticsOf(await exact.all("select t from tweets")).truncated, false);
  await using bytes = await gateway({ hive: answer, limits: { bytesMax: 50_000 } });
  const few = await bytes.all("select t from tweets");
  assert.deepEqual([rowsIn(few), statisticsOf(few).truncated], [50, true]);
});

test("a caller that does not read stops the engine; leaving frees it", async () => {
  let made = 0;
  const freed = Promise.withResolvers<undefined>();
  async function* endless() {
    try {
      for (;;) {
        made += 1;
        yield wide(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      freed.resolve(undefined);
    }
  }
  await using it = await gateway({
    hive: () => Promise.resolve(resultOf([column("t", "string")], endless())),
  });
  const stream = it.execute("select t from tweets");
  await stream.next();
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.ok(made < 200, `${made} batches of 100 KB were made for a caller that reads nothing`);
  await stream.return();
  await freed.promise;
});

test("cancel, deadline and the gateway's own limit reach the engine", async () => {
  await using it = await gateway({ hive: hang, redshift: hang, msMax: 300 });
  await assert.rejects(it.all("select 1", { deadlineMs: 100 }), failsWith("DEADLINE_EXCEEDED"));
  const controller = new AbortController();
  const running = it.all("select 2", { signal: controller.signal });
  while (it.hive.seen.length < 2) await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  await assert.rejects(running, { name: "AbortError" });
  await assert.rejects(
    it.all("select 3", { engine: Engine.REDSHIFT }),
    failsWith("DEADLINE_EXCEEDED"),
  );
  while (it.hive.aborted.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.match(it.redshift.aborted[0] ?? "", /select 3$/);
});

test("what does not read never reaches an engine", async () => {
  await using it = await gateway({});
  for (const engine of [Engine.HIVE, Engine.REDSHIFT]) {
    await assert.rejects(
      it.all("drop table tweets", { engine }),
      failsWith("INVALID_ARGUMENT", "SQL_REFUSED"),
    );
    await assert.rejects(
      it.all("select :x", { engine }),
      failsWith("INVALID_ARGUMENT", "SQL_PARAMETER"),
    );
    await assert.rejects(
      it.all("select :x", { engine, parameters: { x: { kind: undefined } } }),
      failsWith("INVALID_ARGUMENT", "INVALID_REQUEST"),
    );
  }
  await assert.rejects(
    it.all("select 1", { engine: Engine.UNSPECIFIED }),
    failsWith("INVALID_ARGUMENT"),
  );
  assert.deepEqual([...it.hive.seen, ...it.redshift.seen], []);
});

test("more queries than allowed are refused, and places come back", async () => {
  await using it = await gateway({ hive: hang });
  const controller = new AbortController();
  const { signal } = controller;
  const running = [it.all("select 1", { signal }), it.all("select 2", { signal })];
  while (it.hive.seen.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(it.all("select 3"), failsWith("RESOURCE_EXHAUSTED", "TOO_MANY_QUERIES"));
  controller.abort();
  await Promise.allSettled(running);
  while (it.hive.aborted.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(it.all("select 4", { deadlineMs: 100 }), failsWith("DEADLINE_EXCEEDED"));
});

class RefusedByEngine extends HybridgeError {
  readonly code = "HIVE_STATEMENT";
  override readonly kind = "invalid";
  readonly retry = "never";
}

test("an engine that is away makes the gateway DEGRADED; one that refuses does not", async () => {
  let error: Error | undefined = new RefusedByEngine("no such column");
  const answer: Answer = () =>
    error ? Promise.reject(error) : one({ sql: "", parameters: [] }, {} as never);
  await using it = await gateway({ hive: answer });
  await it.all("select 1", { engine: Engine.REDSHIFT });
  await assert.rejects(it.all("select nothing"), failsWith("INVALID_ARGUMENT", "HIVE_STATEMENT"));
  assert.equal((await it.status()).state, "RUNNING");
  error = new UnavailableError("connection refused");
  await assert.rejects(it.all("select 1"), failsWith("UNAVAILABLE", "UNAVAILABLE"));
  const degraded = await it.status();
  assert.deepEqual([degraded.state, degraded.reason], ["DEGRADED", "hive: connection refused"]);
  error = undefined;
  await it.all("select 1");
  const status = await it.status();
  assert.deepEqual([status.state, status.queries, status.failed], ["RUNNING", 4n, 2n]);
});

test("posts are counted on the side that was asked for", async () => {
  await using it = await gateway({ redshift: () => Promise.resolve(rowsOf([[42n]])) });
  const client = createClient(TweetServiceClient, it.address);
  const request = { side: Side.EXTERNAL, lang: "en", hashtag: "", createdFrom: "", createdTo: "" };
  const answer = await callUnary(client.countTweets.bind(client), request, { deadlineMs: 5_000 });
  assert.deepEqual(answer, { count: 42n, side: Side.EXTERNAL });
  assert.match(it.redshift.seen[0] ?? "", /"lang" = :lang/);
  const inside = { ...request, side: Side.UNSPECIFIED };
  assert.equal(
    (await callUnary(client.countTweets.bind(client), inside, { deadlineMs: 5_000 })).side,
    Side.INTERNAL,
  );
  const odd = { ...request, createdFrom: "soon" };
  await assert.rejects(
    callUnary(client.countTweets.bind(client), odd, { deadlineMs: 5_000 }),
    failsWith("INVALID_ARGUMENT", "SQL_PARAMETER"),
  );
  client.close();
});
