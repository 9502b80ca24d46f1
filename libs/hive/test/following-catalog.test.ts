import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@hybridge/core/testing";
import { LogForeignError, type CatalogPosition, type Following } from "@hybridge/landing";
import { memoryLanding } from "@hybridge/landing/testing";
import { hiveColumns } from "@hybridge/tweet";
import { hiveFollower, HiveSchemaError, openHive } from "../src/index.ts";
import { startFakeHive, type FakeAnswer, type FakeValue } from "../src/testing/index.ts";

const signal = AbortSignal.timeout(60_000);
const LOCATION = "/hybridge/tweets";

/** As much of a metastore as the follower uses: one table, and how often it changed. */
class Metastore {
  columns: (readonly [name: string, type: string])[] | undefined;
  readonly properties = new Map<string, string>();
  readonly partitions = new Map<string, string>();
  readonly changes: string[] = [];
  asked = 0;

  readonly answer = (sql: string): FakeAnswer => {
    this.asked += 1;
    const missing = { sqlState: "42S02", vendorCode: 10001, message: "Table not found tweets" };
    if (sql.startsWith("CREATE DATABASE")) return { done: true };
    if (sql.startsWith("CREATE EXTERNAL TABLE")) {
      this.columns ??= [...sql.matchAll(/^\s*`(\w+)` (\w+)/gm)].map(
        ([, name, type]) => [String(name), String(type)] as const,
      );
      return { done: true };
    }
    if (!this.columns) return { fails: "compile", ...missing };
    if (sql.startsWith("DESCRIBE")) {
      const last = ["dt", "hr"].map((name) => [name, "string", ""] as const);
      return rows([...this.columns.map(([name, type]) => [name, type, ""]), ...last]);
    }
    if (sql.startsWith("SHOW TBLPROPERTIES")) return rows([...this.properties]);
    if (sql.startsWith("SHOW PARTITIONS")) {
      const dt = /PARTITION \(dt='([^']+)'\)/.exec(sql)?.[1];
      const hours = [...this.partitions.keys()];
      return rows(
        hours.filter((hour) => !dt || hour.startsWith(`dt=${dt}/`)).map((hour) => [hour]),
      );
    }
    this.changes.push(sql);
    const added = /PARTITION \(dt='([^']+)', hr='([^']+)'\) LOCATION '([^']+)'/g;
    for (const [, dt, hr, location] of sql.matchAll(added)) {
      this.partitions.set(`dt=${String(dt)}/hr=${String(hr)}`, String(location));
    }
    const properties = /SET TBLPROPERTIES \((.*)\)$/s.exec(sql)?.[1] ?? "";
    for (const [, key, value] of properties.matchAll(/'([^']+)'='([^']+)'/g)) {
      this.properties.set(String(key), String(value));
    }
    return { done: true };
  };

  /** As DROP TABLE leaves it. */
  drop(): void {
    this.columns = undefined;
    this.properties.clear();
    this.partitions.clear();
  }

  /** How many hours were added, by statement, since the last time it was asked. */
  added(): number[] {
    return this.changes.splice(0).map((sql) => sql.match(/PARTITION \(/g)?.length ?? 0);
  }
}

function rows(values: readonly (readonly FakeValue[])[]): FakeAnswer {
  const columns = ["a", "b", "c"].map((name) => ({ name, type: "string" as const }));
  const width = values[0]?.length ?? 1;
  return { columns: columns.slice(0, width), rows: values.map((row) => [...row]) };
}

async function stack(metastore = new Metastore()) {
  const fake = await startFakeHive({ answer: metastore.answer });
  const hive = openHive({ host: "127.0.0.1", port: fake.port });
  const clock = new FakeClock(1);
  const store = memoryLanding({ moves: true, listingMax: 3 }).open();
  let position: CatalogPosition | undefined;
  const stored = {
    read: () => Promise.resolve(position),
    write(next: CatalogPosition) {
      position = next;
      return Promise.resolve();
    },
  };
  return {
    metastore,
    clock,
    store,
    stored,
    follower: () => hiveFollower({ hive, store, stored, location: LOCATION, clock }),
    async [Symbol.asyncDispose]() {
      await hive[Symbol.asyncDispose]();
      await fake[Symbol.asyncDispose]();
    },
  };
}

/** Commits after a number, each of which adds files in some hours. */
function following(after: number, ...hours: readonly (readonly string[])[]): Following {
  return {
    from: { log: "log", number: after },
    to: after + hours.length,
    columns: () => [],
    commits: hours.map((each, index) => {
      const files = each.map((hour) => {
        return { path: `${hour}/${index}.parquet`, rows: 1, bytes: 1, sha256: "" };
      });
      const actions = [{ do: "add", columns: "c", files } as const];
      const commit = { log: "log", id: "", base: 0, at: 0, writer: "", actions };
      return { number: after + index + 1, commit };
    }),
  };
}

const hour = (index: number) => {
  const at = new Date(Date.UTC(2026, 10, 23) + index * 3_600_000).toISOString();
  return `dt=${at.slice(0, 10)}/hr=${at.slice(11, 13)}`;
};

test("an hour is added once, however many files come into it, and the position is stored", async () => {
  await using all = await stack();
  const follower = all.follower();
  await follower.prepare(signal);
  assert.equal(all.metastore.columns?.length, hiveColumns().split("\n").length);
  assert.equal(await follower.position(signal), undefined);
  assert.deepEqual(all.metastore.added(), [0]);
  const reached = await follower.follow(following(0, [hour(9)], [hour(9), hour(10)]), signal);
  assert.deepEqual(reached, { log: "log", number: 2 });
  assert.deepEqual(await all.follower().position(signal), reached);
  assert.deepEqual(all.metastore.added(), [2]);
  assert.equal(all.metastore.partitions.get(hour(9)), `${LOCATION}/${hour(9)}`);
  const { asked } = all.metastore;
  await follower.follow(following(2, [hour(10)]), signal);
  assert.equal(all.metastore.asked, asked);
  // Another process, or the same one later, looks and adds nothing.
  await all.follower().follow(following(3, [hour(9)], [hour(10)]), signal);
  all.clock.advance(3_600_000);
  await follower.follow(following(5, [hour(10)]), signal);
  assert.ok(all.metastore.asked > asked);
  assert.deepEqual(all.metastore.added(), []);
});

test("commits that bring no files move the position alone; one that is behind changes nothing", async () => {
  await using all = await stack();
  const follower = all.follower();
  await follower.prepare(signal);
  const { asked } = all.metastore;
  assert.equal((await follower.follow(following(0, [], []), signal)).number, 2);
  assert.equal((await follower.follow(following(0, []), signal)).number, 2);
  assert.equal(all.metastore.asked, asked);
});

test("thousands of hours are added in statements of a hundred", async () => {
  await using all = await stack();
  const follower = all.follower();
  await follower.prepare(signal);
  all.metastore.added();
  const hours = Array.from({ length: 250 }, (_, index) => hour(index));
  await follower.follow(following(0, hours), signal);
  assert.deepEqual(all.metastore.added(), [100, 100, 50]);
  assert.equal(all.metastore.partitions.size, 250);
});

test("a partition that somebody dropped comes back after a while", async () => {
  await using all = await stack();
  const follower = all.follower();
  await follower.prepare(signal);
  await follower.follow(following(0, [hour(9)]), signal);
  all.metastore.partitions.clear();
  await follower.follow(following(1, [hour(9)]), signal);
  assert.equal(all.metastore.partitions.size, 0);
  all.clock.advance(3_600_000);
  await follower.follow(following(2, [hour(9)]), signal);
  assert.equal(all.metastore.partitions.size, 1);
});

for (const when of [
  "at a start",
  "while it is followed",
  "by hand while it is followed",
] as const) {
  test(`a table that was dropped and made anew gets every hour that has a folder: ${when}`, async () => {
    await using all = await stack();
    const follower = all.follower();
    await follower.prepare(signal);
    for (let index = 0; index < 30; index += 1) {
      await all.store.put(`${hour(index)}/f.parquet`, Buffer.from("f"), signal);
    }
    await all.store.put("_log/0.json", Buffer.from("f"), signal);
    await all.store.put("dt=none/hr=1/f", Buffer.from("f"), signal);
    await follower.follow(following(0, [hour(1)]), signal);
    const { columns } = all.metastore;
    all.metastore.drop();
    if (when === "at a start") await all.follower().prepare(signal);
    else {
      if (when === "by hand while it is followed") all.metastore.columns = columns;
      await follower.follow(following(1, [hour(29)]), signal);
    }
    const found = [...all.metastore.partitions.keys()].toSorted();
    assert.deepEqual(
      found,
      Array.from({ length: 30 }, (_, index) => hour(index)),
    );
  });
}

test("a table of the version before the log keeps its partitions, and its old positions are ignored", async () => {
  await using all = await stack();
  await all.follower().prepare(signal);
  all.metastore.properties.clear();
  all.metastore.properties.set("hybridge.next.hybrid.0", "1000");
  all.metastore.partitions.set(hour(1), `${LOCATION}/${hour(1)}`);
  for (const index of [1, 2]) {
    await all.store.put(`${hour(index)}/f.parquet`, Buffer.from("f"), signal);
  }
  all.metastore.added();
  const follower = all.follower();
  await follower.prepare(signal);
  assert.equal(await follower.position(signal), undefined);
  assert.deepEqual(all.metastore.added(), [1, 0]);
  assert.deepEqual([...all.metastore.partitions.keys()], [hour(1), hour(2)]);
});

test("a table gets columns that it lacks, in its partitions too; another's is refused", async () => {
  await using all = await stack();
  await all.follower().prepare(signal);
  all.metastore.columns?.splice(5, 2);
  all.metastore.added();
  await all.follower().prepare(signal);
  const [sql = ""] = all.metastore.changes;
  assert.match(sql, /^ALTER TABLE `hybridge`\.`tweets` ADD COLUMNS \(.*\) CASCADE$/);
  all.metastore.columns = [["id", "bigint"]];
  await assert.rejects(all.follower().prepare(signal), HiveSchemaError);
});

test("another log is refused by name", async () => {
  await using all = await stack();
  await all.follower().prepare(signal);
  await all.stored.write({ log: "another", number: 3 });
  await assert.rejects(all.follower().follow(following(3, [hour(1)]), signal), LogForeignError);
  assert.equal(all.metastore.partitions.size, 0);
});
