import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { UnavailableError, type Clock } from "@hybridge/core";
import { CatalogMovedError, type Action, type Following } from "@hybridge/landing";
import type { Redshift, TransactionOptions } from "../src/api.ts";
import { RedshiftStatementError } from "../src/errors.ts";
import { redshiftFollower } from "../src/index.ts";
import { loadPace } from "../src/loads/load-cadence.ts";
import { failedExpectation } from "../src/loads/load-sql.ts";

const signal = new AbortController().signal;
const NAMES = ["kafka_topic", "id", "kafka_topic_id"];

/** A clock of which sleeping is all that moves it. */
function sleepingClock() {
  let nowMs = 1_000_000;
  const slept: number[] = [];
  const clock: Clock = {
    now: () => nowMs,
    sleep(ms) {
      slept.push(ms);
      nowMs += ms;
      return Promise.resolve();
    },
  };
  return { clock, slept, pass: (ms: number) => (nowMs += ms) };
}

/** A warehouse that ends each transaction as the test says, and remembers what it was asked for. */
function scripted(endings: (Error | "ok")[], stored: () => number | undefined = () => undefined) {
  const loads: (readonly string[])[] = [];
  const tokens: string[] = [];
  let asked = 0;
  const redshift: Redshift = {
    address: "scripted",
    execute() {
      asked += 1;
      const number = stored();
      const row = [
        { list: "strings", values: ["log"], nullRows: [] },
        { list: "int64s", values: [BigInt(number ?? 0)], nullRows: [] },
        { list: "int64s", values: [0n], nullRows: [] },
        { list: "int64s", values: [0n], nullRows: [] },
      ] as const;
      const batches = number === undefined ? [] : [{ rowCount: 1, columns: row }];
      const result = { statementId: "0", columns: [], rows: 0n, batches: Readable.from(batches) };
      return Promise.resolve(result as never);
    },
    transaction(sqls: readonly string[], { token = "" }: TransactionOptions) {
      loads.push(sqls);
      tokens.push(token);
      const ending = endings.shift() ?? "ok";
      return ending === "ok"
        ? Promise.resolve({ statementId: "1", rows: [] })
        : Promise.reject(ending);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { redshift, loads, tokens, asked: () => asked + loads.length };
}

/** Objects by their paths. */
function memoryObjects() {
  const objects = new Map<string, Buffer>();
  return {
    objects,
    create(path: string, bytes: Buffer) {
      objects.set(path, bytes);
      return Promise.resolve("created" as const);
    },
    locationOf: (path: string) => `s3://b/${path}`,
    list(folder: string) {
      const names = [...objects.keys()].map((path) => path.slice(folder.length + 1));
      return Promise.resolve({ names: names.toSorted(), more: false });
    },
    remove(paths: readonly string[]) {
      for (const path of paths) objects.delete(path);
      return Promise.resolve();
    },
  };
}

function followerOf(redshift: Redshift, clock: Clock = sleepingClock().clock) {
  const store = memoryObjects();
  return { store, follower: redshiftFollower({ redshift, store, clock }) };
}

/** Commits from a number on, a file each. */
function following(after: number, to: number, actions?: readonly Action[]): Following {
  const numbers = Array.from({ length: to - after }, (_, index) => after + index + 1);
  return {
    from: { log: "log", number: after },
    to,
    columns: () => NAMES,
    commits: numbers.map((number) => ({
      number,
      commit: {
        log: "log",
        id: "",
        base: 0,
        at: 0,
        writer: "",
        actions: actions ?? [
          {
            do: "add",
            columns: "c",
            files: [
              { path: `dt=2026-11-23/hr=09/${number}`, rows: 5, bytes: 100 + number, sha256: "" },
            ],
          },
        ],
      },
    })),
  };
}

const failed = (sql: string) => new RedshiftStatementError("failed", { id: "1" }, sql);

test("a lost answer is asked for with the same token, also by the next process", async () => {
  const { redshift, tokens, loads } = scripted([new UnavailableError("no answer")]);
  const one = followerOf(redshift).follower;
  await assert.rejects(one.follow(following(0, 2), signal), UnavailableError);
  await one.follow(following(0, 2), signal);
  await followerOf(redshift).follower.follow(following(0, 2), signal);
  assert.deepEqual([tokens[0]?.length, new Set(tokens).size, loads.length], [64, 1, 3]);
  await followerOf(redshift).follower.follow(following(0, 3), signal);
  assert.equal(new Set(tokens).size, 2);
});

test("a load whose answer was lost and that was committed is learned from the position", async () => {
  const table: { number?: number } = {};
  const { redshift, loads } = scripted([new UnavailableError("no answer")], () => table.number);
  const { follower } = followerOf(redshift);
  await assert.rejects(follower.follow(following(0, 2), signal), UnavailableError);
  table.number = 2;
  await assert.rejects(follower.follow(following(0, 2), signal), CatalogMovedError);
  assert.equal((await follower.position(signal))?.number, 2);
  await follower.follow(following(2, 3), signal);
  assert.equal(loads.length, 2);
});

test("who is late is told at once, and not tried again", async () => {
  const { redshift, loads } = scripted([]);
  const { follower } = followerOf(redshift);
  await follower.follow(following(0, 1), signal);
  const check = loads[0]?.[1] ?? "";
  assert.equal(failedExpectation(check), "position");
  const late = scripted([failed(check)]);
  const other = followerOf(late.redshift).follower;
  await assert.rejects(other.follow(following(0, 1), signal), CatalogMovedError);
  assert.equal(late.loads.length, 1);
});

test("a load that is refused is halved until what is good of it is in", async () => {
  const copy = failed('COPY "x"');
  // Each failure is tried once more under a token of its own: it may be of another time.
  const { redshift, loads } = scripted([copy, copy, copy, copy, "ok"]);
  const { follower } = followerOf(redshift);
  const position = await follower.follow(following(0, 4), signal);
  assert.equal(position.number, 4);
  const ends = loads.map((sqls) => /"number" = (\d+)|SELECT 'log', (\d+)/.exec(sqls.at(-1) ?? ""));
  const numbers = ends.map((found) => Number(found?.[1] ?? found?.[2]));
  assert.deepEqual(numbers, [4, 4, 2, 2, 1, 3, 4]);
});

test("the manifest names each file once, as mandatory and with its length, and goes after the load", async () => {
  const { redshift } = scripted([new UnavailableError("no answer")]);
  const { follower, store } = followerOf(redshift);
  await assert.rejects(follower.follow(following(0, 2), signal));
  const [[path, content] = [""]] = [...store.objects];
  assert.match(path, /^_loads\/0{19}2-[0-9a-f]{32}\.manifest$/);
  assert.deepEqual(JSON.parse(String(content)), {
    entries: [1, 2].map((number) => ({
      url: `s3://b/dt=2026-11-23/hr=09/${number}`,
      mandatory: true,
      meta: { content_length: 100 + number },
    })),
  });
  await follower.follow(following(0, 2), signal);
  assert.deepEqual([...store.objects.keys()], []);
});

test("with nothing to load Redshift gets no statement in a day, whatever is committed", async () => {
  const { clock, pass } = sleepingClock();
  const { redshift, asked } = scripted([]);
  const { follower } = followerOf(redshift, clock);
  let { number } = await follower.follow(following(0, 1), signal);
  const before = asked();
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    pass(60_000);
    await follower.ready(signal);
    const nothing: Action = { do: "sweep", below: 1 };
    if (minute % 60 === 0) {
      ({ number } = await follower.follow(following(number, number + 1, [nothing]), signal));
    }
  }
  assert.equal(asked(), before);
  assert.equal(number, 25);
  // The first load after a day also sweeps.
  await follower.follow(following(25, 26), signal);
  assert.equal(asked(), before + 2);
});

test("small loads come after a pause, which grows with their length; large ones do not wait", async () => {
  const { clock, slept, pass } = sleepingClock();
  const pace = loadPace({ minMs: 30_000, maxMs: 120_000 }, clock);
  const load = async (ms: number, isBehind = false) => {
    await pace.ready(signal);
    const startedMs = clock.now();
    pass(ms);
    pace.loaded(startedMs, isBehind);
  };
  await load(1_000);
  await load(20_000);
  await load(100_000);
  await load(1_000, true);
  await load(1_000);
  assert.deepEqual(slept, [30_000, 60_000, 120_000]);
  pass(3_600_000);
  await load(1_000);
  assert.equal(slept.length, 3);
});

test("names of tables are quoted; what Redshift would not take or fold is refused", () => {
  const { redshift } = scripted([]);
  const followerFor = (table: string, schema = "hybridge") =>
    redshiftFollower({ redshift, store: memoryObjects(), schema, table });
  for (const name of ["raw", 'we "quote" it', "naïve", "0", "a.b", "x; drop"])
    followerFor(name, name);
  assert.throws(() => followerFor("Tweets"), /lower case/);
  assert.throws(() => followerFor(""), /1 to 117 bytes/);
  assert.throws(() => followerFor("t", "a\0b"), /control/);
  assert.throws(() => followerFor("hybridge_load_posts"), /hybridge_load_/);
});
