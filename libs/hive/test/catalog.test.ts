import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "@hybridge/core";
import { FakeClock } from "@hybridge/core/testing";
import type { LedgerEntry } from "@hybridge/landing";
import { hiveColumns } from "@hybridge/tweet";
import { hiveCatalog, HiveSchemaError, openHive } from "../src/index.ts";
import { startFakeHive, type FakeAnswer, type FakeValue } from "../src/testing/index.ts";

const signal = AbortSignal.timeout(30_000);
const partition = { topic: "hybrid", partition: 3 };

/** As much of a metastore as the catalog uses: one table. */
function metastore() {
  const state = {
    columns: undefined as (readonly [name: string, type: string])[] | undefined,
    properties: new Map<string, string>(),
    partitions: new Map<string, string>(),
    statements: [] as string[],
    dropped: false,
  };
  const text = (names: string[], rows: FakeValue[][]): FakeAnswer => ({
    columns: names.map((name) => ({ name, type: "string" })),
    rows,
  });
  function alter(sql: string): FakeAnswer {
    const added = /PARTITION \(dt='([^']+)', hr='([^']+)'\) LOCATION '([^']+)'/g;
    for (const [, dt, hr, location] of sql.matchAll(added)) {
      const key = `dt=${String(dt)}/hr=${String(hr)}`;
      if (!state.partitions.has(key)) state.partitions.set(key, String(location));
    }
    const properties = /SET TBLPROPERTIES \((.*)\)$/s.exec(sql)?.[1] ?? "";
    for (const [, key, value] of properties.matchAll(/'([^']+)'='([^']+)'/g)) {
      state.properties.set(String(key), String(value));
    }
    for (const [, name, type] of sql.matchAll(/[(,] ?`(\w+)` (\w+) COMMENT/g)) {
      state.columns?.push([String(name), String(type)]);
    }
    return { done: true };
  }
  function answer(sql: string): FakeAnswer {
    state.statements.push(sql);
    const missing = { sqlState: "42S02", vendorCode: 10001, message: "Table not found tweets" };
    if (sql.startsWith("CREATE DATABASE")) return { done: true };
    if (sql.startsWith("CREATE EXTERNAL TABLE")) {
      state.columns ??= [...sql.matchAll(/^\s*`(\w+)` (\w+)/gm)].map(
        ([, name, type]) => [String(name), String(type)] as const,
      );
      return { done: true };
    }
    if (!state.columns || state.dropped) return { fails: "compile", ...missing };
    if (sql.startsWith("DESCRIBE")) {
      const own: FakeValue[][] = state.columns.map(([name, type]) => [name, type, ""]);
      const last = ["dt", "hr"].map((name) => [name, "string", ""]);
      const tail = [["", null, null], ["# Partition Information", null, null], ...last];
      return text(["col_name", "data_type", "comment"], [...own, ...last, ...tail]);
    }
    if (sql.startsWith("SHOW TBLPROPERTIES")) {
      return text(["prpt_name", "prpt_value"], [["EXTERNAL", "TRUE"], ...state.properties]);
    }
    return alter(sql);
  }
  return { ...state, state, answer };
}

function entry(first: number, last: number, hours: readonly string[], number = 3): LedgerEntry {
  const files = hours.map((hr) => ({
    name: `dt=2026-11-23/hr=${hr}/f.parquet`,
    location: `/hybridge/tweets/dt=2026-11-23/hr=${hr}/f.parquet`,
    dt: "2026-11-23",
    hr,
    rows: 1,
    bytes: 1,
    sha256: "",
  }));
  const range = { first: BigInt(first), last: BigInt(last) };
  const cut = { topic: "hybrid", partition: number, ...range, decidedAtMs: 0, schema: "s1" };
  return { cut, files, rows: files.length, deadLetters: 0 };
}

async function stack(store = metastore(), clock = new FakeClock(1)) {
  const fake = await startFakeHive({ answer: store.answer });
  const hive = openHive({ host: "127.0.0.1", port: fake.port });
  return {
    store: store.state,
    clock,
    catalog: () => hiveCatalog({ hive, location: "/hybridge/tweets", clock }),
    async [Symbol.asyncDispose]() {
      await hive[Symbol.asyncDispose]();
      await fake[Symbol.asyncDispose]();
    },
  };
}

test("prepare makes the table from the columns of the posts, and may be repeated", async () => {
  await using all = await stack();
  await all.catalog().prepare(signal);
  await all.catalog().prepare(signal);
  assert.equal(all.store.columns?.length, hiveColumns().split("\n").length);
  const create = all.store.statements.find((sql) => sql.startsWith("CREATE EXTERNAL")) ?? "";
  assert.match(create, /PARTITIONED BY \(dt string .*, hr string /);
  assert.match(create, /STORED AS PARQUET\nLOCATION '\/hybridge\/tweets'/);
  assert.match(create, /'external\.table\.purge'='false'/);
  assert.ok(!all.store.statements.some((sql) => sql.includes("ADD COLUMNS")));
});

test("a table of an earlier version gets the new columns, in its partitions too", async () => {
  await using all = await stack();
  await all.catalog().prepare(signal);
  const complete = [...(all.store.columns ?? [])];
  all.store.columns?.splice(5, 2);
  await all.catalog().prepare(signal);
  assert.deepEqual(new Map(all.store.columns), new Map(complete));
  assert.match(all.store.statements.find((sql) => sql.includes("ADD COLUMNS")) ?? "", / CASCADE$/);
});

test("a table with a column of another type is refused by name", async () => {
  await using all = await stack();
  await all.catalog().prepare(signal);
  all.store.columns?.splice(2, 1, ["kafka_offset", "string"]);
  await assert.rejects(all.catalog().prepare(signal), (error) => {
    assert.ok(error instanceof HiveSchemaError);
    assert.match(error.message, /kafka_offset is string, not bigint/);
    return true;
  });
});

test("register adds each hour once, then keeps the position over a restart", async () => {
  await using all = await stack();
  const catalog = all.catalog();
  await catalog.prepare(signal);
  assert.equal(await catalog.position(partition, signal), undefined);
  await catalog.register([entry(0, 9, ["08", "09"]), entry(10, 19, ["09"])], signal);
  assert.deepEqual(
    [...all.store.partitions],
    [
      ["dt=2026-11-23/hr=08", "/hybridge/tweets/dt=2026-11-23/hr=08"],
      ["dt=2026-11-23/hr=09", "/hybridge/tweets/dt=2026-11-23/hr=09"],
    ],
  );
  const count = all.store.statements.length;
  await catalog.register([entry(20, 29, ["09"]), entry(0, 4, ["08"], 1)], signal);
  assert.equal(all.store.statements.length, count + 1, "hours that are known cost no statement");
  const restarted = all.catalog();
  await restarted.prepare(signal);
  assert.equal(await restarted.position(partition, signal), 30n);
  assert.equal(await restarted.position({ ...partition, partition: 1 }, signal), 5n);
  // The same segments again: nothing changes, and the position does not go back.
  await restarted.register([entry(0, 9, ["08", "09"])], signal);
  assert.equal(all.store.partitions.size, 2);
  assert.equal(await all.catalog().position(partition, signal), 30n);
});

test("a registration that was cut before its position is repeated and changes nothing else", async () => {
  const store = metastore();
  let away = true;
  const answer = (sql: string): FakeAnswer =>
    away && sql.includes("SET TBLPROPERTIES")
      ? { fails: "run", sqlState: "08S01", vendorCode: 1, message: "java.net.ConnectException" }
      : store.answer(sql);
  await using all = await stack({ ...store, answer });
  const first = all.catalog();
  await first.prepare(signal);
  await assert.rejects(first.register([entry(0, 9, ["08"])], signal), UnavailableError);
  assert.equal(all.store.partitions.size, 1);
  away = false;
  const second = all.catalog();
  await second.prepare(signal);
  assert.equal(await second.position(partition, signal), undefined);
  await second.register([entry(0, 9, ["08"])], signal);
  assert.equal(all.store.partitions.size, 1);
  assert.equal(await second.position(partition, signal), 10n);
});

test("many hours are added in statements of a hundred", async () => {
  await using all = await stack();
  const catalog = all.catalog();
  await catalog.prepare(signal);
  const hours = Array.from({ length: 250 }, (_, index) => String(index));
  await catalog.register([entry(0, 9, hours)], signal);
  assert.equal(all.store.partitions.size, 250);
  const adds = all.store.statements.filter((sql) => sql.includes("ADD IF NOT EXISTS"));
  assert.deepEqual(
    adds.map((sql) => sql.match(/PARTITION/g)?.length),
    [100, 100, 50],
  );
});

test("a partition that somebody dropped comes back after a while", async () => {
  await using all = await stack();
  const catalog = all.catalog();
  await catalog.prepare(signal);
  await catalog.register([entry(0, 9, ["08"])], signal);
  all.store.partitions.clear();
  all.clock.advance(11 * 60_000);
  await catalog.register([entry(10, 19, ["08"])], signal);
  assert.equal(all.store.partitions.size, 1);
});

test("a table dropped while in use is a named reason to start again", async () => {
  await using all = await stack();
  const catalog = all.catalog();
  await catalog.prepare(signal);
  all.store.dropped = true;
  await assert.rejects(catalog.register([entry(0, 9, ["08"])], signal), (error) => {
    assert.ok(error instanceof HiveSchemaError);
    assert.match(error.message, /was dropped while it was in use/);
    return true;
  });
});

test("without prepare, a table that is not there has no position, and one that is has its own", async () => {
  await using all = await stack();
  assert.equal(await all.catalog().position(partition, signal), undefined);
  const catalog = all.catalog();
  await catalog.prepare(signal);
  const onlooker = all.catalog();
  assert.equal(await onlooker.position(partition, signal), undefined);
  await catalog.register([entry(0, 9, ["08"])], signal);
  assert.equal(await onlooker.position(partition, signal), 10n);
});

test("a position that is no offset is refused", async () => {
  await using all = await stack();
  await all.catalog().prepare(signal);
  all.store.properties.set("hybridge.next.hybrid.3", "-1");
  await assert.rejects(all.catalog().position(partition, signal), HiveSchemaError);
});
