import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { retryOf, UnavailableError } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { startFakeHive, type FakeAnswer, type FakeHive } from "../src/testing/index.ts";
import {
  executeHive,
  HiveLoginError,
  HiveProtocolError,
  HiveStatementError,
  openHive,
  type Hive,
  type HiveOptions,
  type HiveValues,
} from "../src/index.ts";

const signal = AbortSignal.timeout(60_000);

function clientOf(fake: { port: number }, options: Partial<HiveOptions> = {}): Hive {
  return openHive({ host: "127.0.0.1", port: fake.port, ...options });
}

const numbers = (count: number): FakeAnswer => ({
  columns: [{ name: "n", type: "bigint" }],
  rows: Array.from({ length: count }, (_, index) => [BigInt(index)]),
});

async function read(hive: Hive, sql: string, options = {}) {
  const pages: (readonly HiveValues[])[] = [];
  await using result = await executeHive(hive, sql, { signal, ...options });
  for await (const { columns } of result.batches) pages.push(columns);
  return { columns: result.columns, pages };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    signal.throwIfAborted();
    await delay(1);
  }
}

const everything: FakeAnswer = {
  columns: [
    { name: "flag", type: "boolean" },
    { name: "id", type: "tinyint" },
    { name: "id", type: "smallint" },
    { name: "id", type: "int" },
    { name: "id", type: "bigint" },
    { name: "d", type: "double" },
    { name: "price", type: "decimal", precision: 38, scale: 9 },
    { name: "at", type: "timestamp" },
    { name: "day", type: "date" },
    { name: "text", type: "string" },
    { name: "raw", type: "binary" },
  ],
  rows: [
    // prettier-ignore
    [true, -128, -32768, -2147483648, -9223372036854775808n, 0.1, "12345678901234567890123456789.123456789", "2026-11-23 09:00:00.123456789", "2026-11-23", "🦆 سلام", Buffer.from([0, 255])],
    [null, null, null, null, null, null, null, null, null, null, null],
    // prettier-ignore
    [false, 127, 32767, 2147483647, 9223372036854775807n, -0, "0.000000001", "1969-12-31 23:59:59", "0001-01-01", "", Buffer.alloc(0)],
  ],
};

for (const auth of ["plain", "nosasl"] as const) {
  for (const chunkBytes of [1, 7, 1_000_000]) {
    test(`every value comes exact: ${auth}, ${chunkBytes} bytes at a time`, async () => {
      await using fake = await startFakeHive({ answer: () => everything, auth, chunkBytes });
      await using hive = clientOf(fake, { auth });
      const { columns, pages } = await read(hive, "SELECT *");
      assert.deepEqual(
        columns.map(({ name, engineType }) => `${name} ${engineType}`),
        // prettier-ignore
        ["flag boolean", "id tinyint", "id smallint", "id int", "id bigint", "d double", "price decimal(38,9)", "at timestamp", "day date", "text string", "raw binary"],
      );
      assert.equal(pages.length, 1);
      const [page = []] = pages;
      const ints = (low: bigint, high: bigint) => ({
        list: "int64s",
        values: [low, 0n, high],
        nullRows: [1],
      });
      const texts = (first: string, last: string) => ({
        list: "strings",
        values: [first, "", last],
        nullRows: [1],
      });
      assert.deepEqual(page, [
        { list: "bools", values: [true, false, false], nullRows: [1] },
        ints(-128n, 127n),
        ints(-32768n, 32767n),
        ints(-2147483648n, 2147483647n),
        ints(-9223372036854775808n, 9223372036854775807n),
        { list: "doubles", values: [0.1, 0, -0], nullRows: [1] },
        texts("12345678901234567890123456789.123456789", "0.000000001"),
        texts("2026-11-23 09:00:00.123456789", "1969-12-31 23:59:59"),
        texts("2026-11-23", "0001-01-01"),
        texts("🦆 سلام", ""),
        {
          list: "bytes",
          values: [Buffer.from([0, 255]), Buffer.alloc(0), Buffer.alloc(0)],
          nullRows: [1],
        },
      ]);
    });
  }
}

test("rows come in pages, in order, one page ahead and no more", async () => {
  await using fake = await startFakeHive({ answer: () => numbers(25_000) });
  await using hive = clientOf(fake);
  await using result = await executeHive(hive, "SELECT n", { signal });
  let expected = 0n;
  let pages = 0;
  for await (const { rowCount, columns } of result.batches) {
    pages += 1;
    assert.ok(rowCount <= 10_000);
    for (const value of columns[0]?.values ?? []) assert.equal(value, expected++);
    await delay(5);
    assert.ok(fake.fetches.length <= pages + 1, "more than one page was fetched ahead");
  }
  assert.equal(expected, 25_000n);
  assert.deepEqual(fake.fetches.slice(0, 2), [1_000, 10_000]);
  assert.deepEqual(fake.closed, ["SELECT n"]);
});

test("wide rows come in smaller pages", async () => {
  const wide = "x".repeat(20_000);
  const answer: FakeAnswer = {
    columns: [{ name: "raw", type: "string" }],
    rows: Array.from({ length: 1_200 }, () => [wide]),
  };
  await using fake = await startFakeHive({ answer: () => answer });
  await using hive = clientOf(fake);
  const { pages } = await read(hive, "SELECT raw");
  assert.equal(
    pages.flat().reduce((sum, { values }) => sum + values.length, 0),
    1_200,
  );
  assert.ok((fake.fetches[1] ?? 0) < 400, `the second page asked for ${fake.fetches[1]} rows`);
});

test("a statement without rows has no columns and no batches", async () => {
  await using fake = await startFakeHive({ answer: () => ({ done: true }) });
  await using hive = clientOf(fake);
  assert.deepEqual(await read(hive, "CREATE DATABASE x"), { columns: [], pages: [] });
  assert.deepEqual(fake.closed, ["CREATE DATABASE x"]);
});

test("one session serves one statement after the other, and is closed at the end", async () => {
  await using fake = await startFakeHive({ answer: () => numbers(3) });
  {
    await using hive = clientOf(fake);
    for (let index = 0; index < 5; index++) await read(hive, "SELECT n");
    assert.equal(fake.calls.get("OpenSession"), 1);
  }
  await until(() => fake.calls.get("CloseSession") === 1);
  assert.equal(fake.sessions.size, 0);
});

test("a server that does not let sessions choose their zone is told of, once, and works", async () => {
  const refusedSetting = "hive.local.time.zone";
  await using fake = await startFakeHive({ answer: () => numbers(1), refusedSetting });
  const { emit, events } = collectEvents();
  await using hive = clientOf(fake, { emit, sessionIdleMs: 0 });
  for (const sql of ["one", "two"]) {
    await read(hive, sql);
    await until(() => fake.sessions.size === 0);
  }
  assert.equal(fake.calls.get("OpenSession"), 3);
  assert.deepEqual(
    events.map(({ name }) => name),
    ["hive.zone_refused"],
  );
  await using strict = clientOf(fake, { settings: { [refusedSetting]: "Asia/Tokyo" } });
  await assert.rejects(read(strict, "three"), UnavailableError);
});

test("an idle session is closed", async () => {
  await using fake = await startFakeHive({ answer: () => numbers(3) });
  await using hive = clientOf(fake, { sessionIdleMs: 1 });
  await read(hive, "SELECT n");
  // The timer of an idle session keeps no process alive; this wait does.
  await until(() => fake.calls.get("CloseSession") === 1);
});

test("no more than sessionsMax at once; the rest wait, and may stop waiting", async () => {
  await using fake = await startFakeHive({ answer: () => numbers(2_000) });
  await using hive = clientOf(fake, { sessionsMax: 1 });
  const first = await executeHive(hive, "first", { signal });
  const impatient = new AbortController();
  const second = executeHive(hive, "second", { signal: impatient.signal });
  const third = read(hive, "third");
  impatient.abort(new Error("enough"));
  await assert.rejects(second, /enough/);
  assert.deepEqual(fake.statements, ["first"]);
  await first[Symbol.asyncDispose]();
  await third;
  assert.deepEqual(fake.statements, ["first", "third"]);
});

for (const phase of ["run", "fetch", "compile"] as const) {
  test(`abort during ${phase} rejects at once and frees the engine`, async () => {
    const answer = (sql: string): FakeAnswer => (sql === "slow" ? { hangs: phase } : numbers(1));
    await using fake = await startFakeHive({ answer });
    const events = collectEvents();
    await using hive = clientOf(fake, { emit: events.emit });
    const controller = new AbortController();
    const reading = read(hive, "slow", { signal: controller.signal });
    const waitsFor = {
      run: "GetOperationStatus",
      fetch: "FetchResults",
      compile: "ExecuteStatement",
    };
    await until(() => (fake.calls.get(waitsFor[phase]) ?? 0) > 0);
    const reason = new Error("the caller has gone");
    controller.abort(reason);
    await assert.rejects(reading, (error) => error === reason);
    // Before it is compiled a statement has no handle: its connection is cut instead.
    if (phase !== "compile") await until(() => events.names().includes("hive.statement-cancelled"));
    assert.deepEqual(fake.cancelled, phase === "compile" ? [] : ["slow"]);
    await until(() => fake.sessions.size === 0);
    await read(hive, "quick");
  });
}

test("leaving a result early closes its operation and keeps the session", async () => {
  // Few rows, so that the page ahead is there at once, also on a busy machine.
  await using fake = await startFakeHive({ answer: () => numbers(1_100) });
  await using hive = clientOf(fake);
  await using result = await executeHive(hive, "SELECT n", { signal });
  for await (const { rowCount } of result.batches) {
    assert.equal(rowCount, 1_000);
    break;
  }
  assert.deepEqual(fake.closed, ["SELECT n"]);
  await (await executeHive(hive, "never read", { signal }))[Symbol.asyncDispose]();
  assert.deepEqual(fake.closed, ["SELECT n", "never read"]);
  assert.equal(fake.calls.get("OpenSession"), 1);
});

// prettier-ignore
const methods = ["OpenSession", "ExecuteStatement", "GetOperationStatus", "GetResultSetMetadata", "FetchResults"];
for (const method of methods) {
  test(`a connection lost in ${method} is an UnavailableError, and the next statement works`, async () => {
    await using fake = await startFakeHive({ answer: () => numbers(5) });
    await using hive = clientOf(fake);
    fake.cut = (called) => called === method;
    await assert.rejects(read(hive, "SELECT n"), (error) => {
      assert.ok(error instanceof UnavailableError, String(error));
      return retryOf(error) === "backoff";
    });
    fake.cut = () => false;
    const { pages } = await read(hive, "SELECT n");
    assert.equal(pages[0]?.[0]?.values.length, 5);
  });
}

test("an idle connection that is lost hurts nobody", async () => {
  const answer = () => numbers(5);
  let fake: FakeHive = await startFakeHive({ answer });
  await using hive = clientOf(fake);
  await read(hive, "SELECT n");
  const { port } = fake;
  await fake[Symbol.asyncDispose]();
  await assert.rejects(read(hive, "SELECT n"), UnavailableError);
  fake = await startFakeHive({ answer, port });
  await read(hive, "SELECT n");
  await fake[Symbol.asyncDispose]();
});

test("a statement is repeated when the server has forgotten the session", async () => {
  await using fake = await startFakeHive({ answer: () => numbers(5) });
  await using hive = clientOf(fake);
  await read(hive, "one");
  fake.forget();
  await read(hive, "two");
  assert.deepEqual(fake.statements, ["one", "two"]);
});

test("failures say what Hive said, and the session goes on", async () => {
  const failure = { sqlState: "42S02", vendorCode: 10001, message: "Table not found 'nope'" };
  const answer = (sql: string): FakeAnswer =>
    sql === "fine" ? numbers(1) : { fails: sql === "parse" ? "compile" : "run", ...failure };
  await using fake = await startFakeHive({ answer });
  await using hive = clientOf(fake);
  for (const sql of ["parse", "execute"]) {
    await assert.rejects(read(hive, sql), (error) => {
      assert.ok(error instanceof HiveStatementError);
      assert.deepEqual(error.failure, { sqlState: "42S02", vendorCode: 10001 });
      assert.match(error.message, new RegExp(`"${sql}".*Table not found 'nope'`));
      return retryOf(error) === "never";
    });
  }
  await read(hive, "fine");
  assert.equal(fake.calls.get("OpenSession"), 1);
});

test("trouble behind Hive can be tried again", async () => {
  const message =
    "Execution Error, return code 40000 from org.apache.hadoop.hive.ql.ddl.DDLTask. MetaException(message:Got exception: java.net.ConnectException Call From a to b failed on connection exception)\n\tat org.apache.Hive";
  const answer = (): FakeAnswer => ({
    fails: "run",
    sqlState: "08S01",
    vendorCode: 40000,
    message,
  });
  await using fake = await startFakeHive({ answer });
  await using hive = clientOf(fake);
  await assert.rejects(read(hive, "ALTER TABLE"), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.ok(error.cause instanceof HiveStatementError);
    assert.doesNotMatch(error.cause.message, /\tat /);
    return true;
  });
});

test("a server that does not answer is given up", async () => {
  const silent = createServer((socket) => socket.on("error", () => undefined).resume());
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  for (const auth of ["plain", "nosasl"] as const) {
    await using hive = clientOf({ port }, { auth, timeouts: { connectMs: 20, answerMs: 20 } });
    await assert.rejects(read(hive, "SELECT 1"), (error) => {
      assert.ok(error instanceof UnavailableError, String(error));
      return true;
    });
  }
  silent.close();
});

test("a compilation that takes too long is given up", async () => {
  await using fake = await startFakeHive({ answer: () => ({ hangs: "compile" }) });
  await using hive = clientOf(fake, { timeouts: { compileMs: 20 } });
  await assert.rejects(read(hive, "SELECT 1"), /did not answer ExecuteStatement in 20 ms/);
});

test("a wrong password is named, and so is a port that is not HiveServer2's", async () => {
  await using fake = await startFakeHive({ answer: () => numbers(1), password: "right" });
  await using wrong = clientOf(fake, { password: "wrong" });
  await assert.rejects(read(wrong, "SELECT 1"), (error) => {
    assert.ok(error instanceof HiveLoginError);
    assert.match(error.message, /Error validating the login/);
    return true;
  });
  await using right = clientOf(fake, { password: "right" });
  await read(right, "SELECT 1");

  const web = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  const { port } = web.address() as AddressInfo;
  for (const auth of ["plain", "nosasl"] as const) {
    await using hive = clientOf({ port }, { auth });
    await assert.rejects(read(hive, "SELECT 1"), (error) => {
      assert.ok(error instanceof HiveProtocolError, String(error));
      return /HTTP/.test(error.message);
    });
  }
  web.close();
});

test("a server that is away is passed over, and the one that answers is kept", async () => {
  const answer = () => numbers(1);
  await using other = await startFakeHive({ answer });
  const away = await startFakeHive({ answer });
  const address = { host: "127.0.0.1", port: away.port };
  await using hive = openHive({ ...address, others: [{ ...address, port: other.port }] });
  assert.equal(hive.address, `127.0.0.1:${away.port},127.0.0.1:${other.port}`);
  await read(hive, "SELECT 1");
  assert.equal(other.statements.length, 0);

  await away[Symbol.asyncDispose]();
  await until(() => away.sessions.size === 0);
  await read(hive, "SELECT 2").catch(() => undefined);
  await read(hive, "SELECT 3");
  assert.ok(other.statements.includes("SELECT 3"));

  await other[Symbol.asyncDispose]();
  await until(() => other.sessions.size === 0);
  await assert.rejects(
    async () => {
      for (;;) await read(hive, "SELECT 4");
    },
    (error) => error instanceof UnavailableError,
  );
});
