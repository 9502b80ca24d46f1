import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { DescribeStatementCommand, RedshiftDataClient } from "@aws-sdk/client-redshift-data";
import { Metadata } from "@grpc/grpc-js";
import { hdfsTableStore, openWebHdfs } from "@hybridge/hdfs";
import { openHive, type Hive } from "@hybridge/hive";
import { TABLE_NAME } from "@hybridge/landing";
import { cacheDir, startHdfs, startHive, startKafka, startRedshift } from "@hybridge/local";
import {
  Engine,
  QueryServiceClient,
  type Value,
} from "@hybridge/proto/hybridge/query/v1/query_service";
import {
  ReconcileServiceClient,
  Verdict,
  type ReconcileResponse,
} from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import { Side, TweetServiceClient } from "@hybridge/proto/hybridge/tweets/v1/tweet_service";
import { openRedshift, type Redshift } from "@hybridge/redshift";
import { callServerStream, callUnary, createClient, type RpcCallError } from "@hybridge/rpc";
import type { SpanLine } from "@hybridge/tracing";
import { columns, redshiftColumnNames, type Column } from "@hybridge/tweet";
import {
  fillHive,
  fillRedshift,
  fillSource,
  kept,
  landedLog,
  producedMs,
  produceUnfollowed,
  VISIBLE,
  writeRuns,
} from "./data.ts";
import { startGateway, untilIdle } from "./gateway-process.ts";

// One local cloud for the whole file: its start takes longer than all tests together.
const cloud = new AsyncDisposableStack();
const directory = mkdtempSync(join(tmpdir(), "hybridge-gateway-"));
const traceFile = join(directory, "spans.ndjson");
const signal = new AbortController().signal;
let env: Record<string, string>;
let gateway: Awaited<ReturnType<typeof startGateway>>;
let redshift: Redshift;
let hiveLog: string;
let hivePid: number;
let endpoint: string;
let bootstrap: string;
let hive: Hive;
let setVisible: (commit: number) => Promise<void>;

before(
  async () => {
    cloud.defer(() => {
      rmSync(directory, { recursive: true, force: true });
    });
    const kafka = cloud.use(await startKafka({ dir: join(directory, "kafka") }));
    const hdfs = cloud.use(await startHdfs({ dir: join(directory, "hdfs") }));
    const hiveServer = cloud.use(
      // In a zone whose clocks are changed: nothing here may depend on where a server lives.
      await startHive({
        dir: join(directory, "hive"),
        hdfs: hdfs.addresses,
        jvm: ["-Duser.timezone=America/New_York"],
      }),
    );
    const endpointServer = cloud.use(await startRedshift({ dir: join(directory, "redshift") }));
    hiveLog = hiveServer.logFile;
    hivePid = hiveServer.pid;
    endpoint = endpointServer.addresses.endpoint;
    const [host = "", port = ""] = hiveServer.addresses.address.split(":");
    hive = cloud.use(openHive({ host, port: Number(port) }));
    process.env["AWS_ACCESS_KEY_ID"] = "local";
    process.env["AWS_SECRET_ACCESS_KEY"] = "local";
    redshift = cloud.use(
      openRedshift({ endpoint, region: "us-east-1", workgroup: "hybridge", database: "dev" }),
    );
    bootstrap = kafka.addresses.bootstrap;
    await fillSource(bootstrap, signal);
    await writeRuns(bootstrap, signal);
    await fillRedshift(redshift, signal);
    await fillHive(hive, signal);
    const { webhdfs: url } = hdfs.addresses;
    const webHdfs = cloud.use(openWebHdfs({ url, user: userInfo().username }));
    setVisible = await landedLog(hdfsTableStore(webHdfs, `/hybridge/${TABLE_NAME}`), signal);
    await setVisible(VISIBLE.all);
    env = {
      HYBRIDGE_WEBHDFS_URL: url,
      HYBRIDGE_HIVE: hiveServer.addresses.address,
      HYBRIDGE_REDSHIFT_ENDPOINT: endpoint,
      // One cluster is both: of the target only the positions are read.
      HYBRIDGE_SOURCE_BOOTSTRAP: bootstrap,
      HYBRIDGE_TARGET_BOOTSTRAP: bootstrap,
      HYBRIDGE_TRACE_FILE: traceFile,
      HYBRIDGE_TRACE_RATIO: "1",
    };
    gateway = await startGateway(env);
  },
  { timeout: 300_000 },
);

after(async () => {
  await gateway[Symbol.asyncDispose]();
  await cloud.disposeAsync();
});

type Kind = NonNullable<Value["kind"]>;

/** The first column of a result, as text. */
async function ask(
  engine: Engine,
  sql: string,
  parameters: Record<string, Kind> = {},
  options: { signal?: AbortSignal; deadlineMs?: number } = {},
) {
  const client = createClient(QueryServiceClient, gateway.address);
  const values = Object.fromEntries(
    Object.entries(parameters).map(([name, kind]) => [name, { kind }]),
  );
  const request = { engine, sql, parameters: values, maxRows: 0n };
  const answers: string[] = [];
  try {
    const limits = { deadlineMs: options.deadlineMs ?? 60_000, signal: options.signal };
    for await (const { part } of callServerStream(client.execute.bind(client), request, limits)) {
      if (part?.$case !== "batch") continue;
      const [column] = part.batch.columns;
      for (const list of [column?.strings, column?.int64s, column?.doubles, column?.bools]) {
        answers.push(...(list ?? []).map(String));
      }
    }
  } finally {
    client.close();
  }
  return answers;
}

const both = [Engine.HIVE, Engine.REDSHIFT] as const;

test("both engines answer, and parameters arrive as they are", async () => {
  const nasty = "it's \\ a \"${env:HOME}\" \\' -- /* ; \n\t %_ \\u0041 \u{1f600} \u05d0";
  for (const engine of both) {
    const text = await ask(engine, "select :text", {
      text: { $case: "stringValue", stringValue: nasty },
    });
    assert.deepEqual(text, [nasty]);
    const least = { $case: "int64Value", int64Value: -(2n ** 63n) } as const;
    assert.deepEqual(await ask(engine, "select :n", { n: least }), ["-9223372036854775808"]);
    assert.deepEqual(await ask(engine, "select 9223372036854775807"), ["9223372036854775807"]);
    const sql = "select count(*) from hybridge.tweets where lang = :lang and kafka_partition = :p";
    const parameters = {
      lang: { $case: "stringValue", stringValue: "en" },
      p: { $case: "int64Value", int64Value: 0n },
    } as const;
    // The deletion has an odd place in its run: Hive keeps it as a row, Redshift beside the posts.
    // Redshift has removed a post as well, and Hive has not.
    assert.deepEqual(await ask(engine, sql, parameters), [engine === Engine.HIVE ? "20" : "18"]);
  }
  const twice = await ask(Engine.HIVE, "select concat(:a, :b)", {
    a: { $case: "stringValue", stringValue: "x\\" },
    b: { $case: "stringValue", stringValue: "--y" },
  });
  assert.deepEqual(twice, ["x\\--y"]);
});

test("an engine's own refusal is the caller's error, with its words", async () => {
  for (const engine of both) {
    await assert.rejects(
      ask(engine, "select nothing_of_this_name from hybridge.tweets"),
      (error: RpcCallError) => {
        assert.equal(error.status, "INVALID_ARGUMENT", error.message);
        assert.match(error.message, /nothing_of_this_name/i);
        return true;
      },
    );
  }
});

test("both sides count the same posts", async () => {
  const client = createClient(TweetServiceClient, gateway.address);
  // A post that each kind of deletion follows is in this language, and one that none does any more.
  const lang = "ja";
  const expected = kept.filter((row) => row.lang === lang).length;
  for (const side of [Side.INTERNAL, Side.EXTERNAL]) {
    const request = { side, lang, hashtag: "TAG_1", createdFrom: "", createdTo: "" };
    const answer = await callUnary(client.countTweets.bind(client), request, {
      deadlineMs: 60_000,
    });
    assert.equal(answer.count, BigInt(expected));
  }
  client.close();
});

async function reconcile(rangeSize = 10n, sinceMs = 0n): Promise<ReconcileResponse> {
  const client = createClient(ReconcileServiceClient, gateway.address);
  const request = { topic: "", rangeSize, sinceMs };
  try {
    return await callUnary(client.reconcile.bind(client), request, { deadlineMs: 120_000 });
  } finally {
    client.close();
  }
}

/** What a reconciliation finds after a change of Redshift, by source offset. */
async function differencesAfter(sqls: readonly string[], undo: readonly string[]) {
  await redshift.transaction(sqls, { signal });
  const found = await reconcile(1n);
  await redshift.transaction(undo, { signal });
  assert.equal(found.reconciled, false, sqls.join("; "));
  assert.equal(found.verdict, Verdict.DIFFERENT);
  return found.differences.map(({ partition, firstOffset }) => `${partition}/${firstOffset}`);
}

test("equal sides reconcile, whatever their rows hold and wherever Hive lives", async () => {
  const same = await reconcile();
  assert.deepEqual([same.differences, same.reasons], [[], []]);
  // Four deletions took five posts, one of them not yet gone from Redshift; the deletions themselves
  // are rows of both sides. Behind the rows
  // the source has a record of an aborted transaction, and its marker.
  assert.deepEqual([same.reconciled, same.internalRows, same.externalRows], [true, 75n, 75n]);
  assert.deepEqual([same.verdict, same.pendingRows], [Verdict.EQUAL, 0n]);
  const [first] = same.partitions;
  assert.deepEqual([first?.sourceEnd, first?.comparedTo, first?.mirroredEnd], [44n, 42n, 42n]);
});

test("one altered, missing, extra or exchanged row is a difference, and so is any column", async () => {
  await redshift.transaction(
    ["CREATE TABLE hybridge.tweets_copy AS SELECT * FROM hybridge.tweets"],
    { signal },
  );
  const undo = [
    "DELETE FROM hybridge.tweets",
    "INSERT INTO hybridge.tweets SELECT * FROM hybridge.tweets_copy",
  ];
  const where = (offset: number) => `WHERE kafka_partition = 1 AND kafka_offset = ${offset + 1}`;
  const set = (offset: number, column: string, value: string) =>
    `UPDATE hybridge.tweets SET ${column} = ${value} ${where(offset)}`;
  const copy = (offset: number) => `(SELECT raw_md5 FROM hybridge.tweets_copy ${where(offset)})`;
  const others: Record<string, string> = {
    text: "'another'",
    long: "123456789",
    timestamp: "TIMESTAMP '2026-11-23 09:00:00.001'",
    boolean: "NOT COALESCE(possibly_sensitive, FALSE)",
  };
  // Each column in a row of its own.
  const columnsOfARow = columns.filter(
    (each: Column) =>
      each.filesOnly !== true &&
      !/^(kafka_(topic|partition|offset|topic_id)|landed_at)$/.test(each.name),
  );
  const altered = columnsOfARow.map(({ name, kind }, at) => set(at + 1, name, others[kind] ?? ""));
  const found = await differencesAfter(
    [
      ...altered,
      set(32, "raw_md5", copy(33)),
      set(33, "raw_md5", copy(32)),
      `DELETE FROM hybridge.tweets ${where(34)}`,
      `INSERT INTO hybridge.tweets SELECT * FROM hybridge.tweets_copy ${where(35)}`,
      // The empty text is not NULL, nor the sign that stands for it.
      `UPDATE hybridge.tweets SET lang = NULL ${where(36)}`,
      `UPDATE hybridge.tweets SET author_name = CASE WHEN author_name IS NULL THEN '' END ${where(37)}`,
      "INSERT INTO hybridge.tweets SELECT 'hybrid', 7, 1, " +
        `${redshiftColumnNames().slice(3).join(", ")} FROM hybridge.tweets_copy ${where(1)}`,
    ],
    undo,
  );
  assert.deepEqual(found, [
    ...columnsOfARow.map((_, at) => `1/${at + 1}`),
    ...[32, 33, 34, 35, 36, 37].map((offset) => `1/${offset}`),
    // A partition that the source has not.
    "7/-1",
  ]);
});

test("what a side lacks is told with its age, and never called reconciled", async () => {
  await setVisible(VISIBLE.lacking);
  await produceUnfollowed(bootstrap, 5, signal);
  const behind = await reconcile();
  await setVisible(VISIBLE.all);
  // The deletions in partition 1 are applied in Redshift, and Hive does not show them yet.
  assert.deepEqual([behind.differences, behind.comparedEqual], [[], true]);
  assert.deepEqual([behind.reconciled, behind.verdict], [false, Verdict.INCOMPLETE]);
  const [, one, two] = behind.partitions;
  const since = BigInt(producedMs);
  assert.deepEqual(one?.internalLack, {
    records: 7n,
    exact: true,
    sinceMs: since + 35_000n,
    sinceKnown: true,
  });
  assert.equal(one.externalLack?.records, 0n);
  const all = { records: 5n, exact: true, sinceMs: since, sinceKnown: true };
  assert.deepEqual([two?.internalLack, two?.externalLack], [all, all]);
  assert.deepEqual(
    behind.reasons.map((reason) => reason.replace(/, the oldest.*/, "")),
    [
      "partition 1: Hive lacks 7 records",
      "partition 2: Hive lacks 5 records",
      "partition 2: Redshift lacks 5 records",
    ],
  );
});

test("a bound in time compares what is younger, and says that it did no more", async () => {
  const bounded = await reconcile(10n, BigInt(Date.UTC(2026, 0, 1)));
  assert.deepEqual([bounded.comparedEqual, bounded.verdict], [true, Verdict.INCOMPLETE]);
  assert.ok(bounded.internalRows > 0n && bounded.internalRows < 75n);
  assert.match(bounded.reasons.join(), /only rows since 2026-01-01/);
});

test("one trace goes from the caller into the engine", async (context) => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const client = createClient(QueryServiceClient, gateway.address);
  const metadata = new Metadata();
  metadata.set("traceparent", `00-${traceId}-b7ad6b7169203331-01`);
  for (const engine of both) {
    const request = { engine, sql: "select 1", parameters: {}, maxRows: 0n };
    const stream = client.execute(request, metadata, { deadline: Date.now() + 60_000 });
    await once(stream.resume(), "end");
  }
  client.close();
  await new Promise((resolve) => setTimeout(resolve, 600));
  const spans = readFileSync(traceFile, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as SpanLine);
  const mine = spans.filter((span) => span.traceId === traceId);
  const servers = mine.filter(({ kind }) => kind === "SERVER");
  assert.deepEqual(
    servers.map(({ parentSpanId }) => parentSpanId),
    ["b7ad6b7169203331", "b7ad6b7169203331"],
  );
  for (const name of ["hive statement", "redshift statement"]) {
    const span = mine.find((each) => each.name === name);
    assert.ok(
      servers.some(({ spanId }) => spanId === span?.parentSpanId),
      name,
    );
    assert.match(String(span?.attributes["hybridge.statement.id"]), /^[0-9a-f-]{36}$/);
  }
  // HiveServer2 logs its statements at INFO; the local one may be set to write warnings only.
  const log = readFileSync(hiveLog, "utf8");
  if (!log.includes("Compiling command")) {
    context.diagnostic("the log of this HiveServer2 has no statements: not looked for in there");
    return;
  }
  const hiveSpan = mine.find(({ name }) => name === "hive statement");
  assert.ok(log.includes(`traceparent=00-${traceId}-${hiveSpan?.spanId}-01`));
});

/**
 * Queries that take long. Hive's local tasks look for a cancel between the rows that they read: here
 * each of them takes about a second, in a join of the table with itself it could be an hour.
 */
const SLOW_IN_HIVE =
  "select count(*) from hybridge.tweets lateral view " +
  "posexplode(split(space(1000000 + kafka_partition), ' ')) e as place, word " +
  "where place + kafka_offset = -1";
const SLOW_IN_REDSHIFT = `select count(*) from ${"abcdefg"
  .split("")
  .map((name) => `hybridge.tweets ${name}`)
  .join(
    ", ",
  )} where a.kafka_offset * b.kafka_offset * c.kafka_offset = d.kafka_offset - e.kafka_offset - f.kafka_offset - g.kafka_offset - 1000`;

/** Starts a query, cancels the call, and finds the span of its statement. */
async function cancelled(engine: Engine, sql: string): Promise<SpanLine> {
  const controller = new AbortController();
  const known = new Set(spansNamed("statement").map(({ spanId }) => spanId));
  const running = ask(engine, sql, {}, { signal: controller.signal });
  running.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  controller.abort();
  await assert.rejects(running, { name: "AbortError" });
  // Spans of earlier queries that went well may still be on their way into the file.
  return until(() =>
    spansNamed("statement").find(({ spanId, status }) => !known.has(spanId) && status === "ERROR"),
  );
}

test("a cancelled call ends its statement in Redshift", { timeout: 120_000 }, async () => {
  const span = await cancelled(Engine.REDSHIFT, SLOW_IN_REDSHIFT);
  const id = String(span.attributes["hybridge.statement.id"]);
  assert.equal(await redshiftStatus(id), "ABORTED");
  assert.deepEqual(await ask(Engine.REDSHIFT, "select 1"), ["1"]);
});

test("a cancelled call ends its statement in Hive", { timeout: 300_000 }, async () => {
  await cancelled(Engine.HIVE, SLOW_IN_HIVE);
  await untilIdle(hivePid);
  assert.deepEqual(await ask(Engine.HIVE, "select 1"), ["1"]);
});

function spansNamed(part: string): SpanLine[] {
  // The gateway writes its first spans a moment after its first calls.
  if (!existsSync(traceFile)) return [];
  const lines = readFileSync(traceFile, "utf8").split("\n").slice(0, -1);
  return lines
    .map((line) => JSON.parse(line) as SpanLine)
    .filter(({ name }) => name.includes(part));
}

async function redshiftStatus(id: string): Promise<string | undefined> {
  const client = new RedshiftDataClient({ endpoint, region: "us-east-1" });
  const { Status } = await client.send(new DescribeStatementCommand({ Id: id }));
  client.destroy();
  return Status;
}

async function until<T>(look: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 100; tries++) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("it did not happen within 20 s");
}

test(
  "a gateway that is killed in the middle of a query answers again after a restart",
  { timeout: 180_000 },
  async () => {
    const running = ask(Engine.HIVE, SLOW_IN_HIVE);
    running.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const port = gateway.address.split(":")[1] ?? "";
    await gateway.kill("SIGKILL");
    await assert.rejects(running, (error: RpcCallError) => error.status === "UNAVAILABLE");
    gateway = await startGateway({ ...env, HYBRIDGE_RPC_PORT: port });
    assert.deepEqual(await ask(Engine.HIVE, "select count(*) from hybridge.tweets"), ["80"]);
    assert.deepEqual(await ask(Engine.REDSHIFT, "select 1"), ["1"]);
  },
);

/** grpcurl, from the PATH or built once into the cache; or why it cannot be had. */
function grpcurl(): { path: string } | { reason: string } {
  const onPath = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "grpcurl"));
  const built = join(cacheDir(), "tools", "grpcurl");
  const found = [...onPath, built].find((path) => existsSync(path));
  if (found !== undefined) return { path: found };
  try {
    execFileSync("go", ["install", "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4"], {
      env: { ...process.env, GOBIN: join(cacheDir(), "tools") },
      stdio: "pipe",
    });
    return { path: built };
  } catch (error) {
    return {
      reason: `grpcurl is not on the PATH and go cannot build it: ${String(error).split("\n")[0]}`,
    };
  }
}

test("a client that we did not write finds and calls the services by reflection", async (context) => {
  const tool = grpcurl();
  if ("reason" in tool) {
    context.skip(tool.reason);
    return;
  }
  const call = (...args: string[]) =>
    execFileSync(tool.path, ["-plaintext", "-max-time", "60", ...args], { encoding: "utf8" });
  const listed = call(gateway.address, "list").trim().split("\n");
  for (const name of [
    "query.v1.QueryService",
    "tweets.v1.TweetService",
    "reconcile.v1.ReconcileService",
  ]) {
    assert.ok(listed.includes(`hybridge.${name}`), listed.join(" "));
  }
  assert.match(call(gateway.address, "grpc.health.v1.Health/Check"), /SERVING/);
  const request = JSON.stringify({
    engine: "ENGINE_REDSHIFT",
    sql: "select count(*) from hybridge.tweets",
  });
  const answer = call("-d", request, gateway.address, "hybridge.query.v1.QueryService/Execute");
  assert.match(answer, /"int64s": \[\s*"72"\s*\]/);
  const status = call("-d", "{}", gateway.address, "hybridge.query.v1.QueryService/GetStatus");
  assert.match(status, /"state": "RUNNING"/);
  await Promise.resolve();
});

test("SIGTERM ends the gateway within its grace, with code 0", async () => {
  assert.equal(await gateway.kill("SIGTERM"), 0);
});
