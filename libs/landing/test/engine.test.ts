import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigError, HybridgeError } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { startLanding, type Landing, type LandingOptions, type LedgerEntry } from "../src/index.ts";
import {
  memoryCatalog,
  memoryDisk,
  memorySource,
  memoryStore,
  textEncoder,
  textRecord,
  type MemoryCatalog,
  type MemoryDisk,
  type MemorySource,
} from "../src/testing/index.ts";

const TOPIC = "t";
const limits = {
  recordsMax: 10,
  bytesMax: 1_000_000,
  ageMaxMs: 20,
  streamMaxMs: 0,
  bufferBytesMax: 1_000_000,
  registerIntervalMs: 5,
};

interface World {
  readonly disk: MemoryDisk;
  readonly catalog: MemoryCatalog;
  readonly source: MemorySource;
}

function world(): World {
  return { disk: memoryDisk(), catalog: memoryCatalog(), source: memorySource(TOPIC, 7) };
}

function start(
  { disk, catalog, source }: World,
  signal: AbortSignal,
  over: Partial<LandingOptions> = {},
): Landing & { readonly names: () => string[] } {
  const events = collectEvents();
  const landing = startLanding({
    topic: TOPIC,
    partitions: [0, 1],
    open: source.open,
    store: memoryStore(disk),
    encoder: textEncoder(),
    catalog,
    limits,
    emit: events.emit,
    signal,
    ...over,
  });
  return { ...landing, names: () => events.names() };
}

async function until(condition: () => boolean, landing?: Landing): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 2_000, `never came true: ${JSON.stringify(landing?.status(), show)}`);
    await delay(5);
  }
}
const show = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

/** What the files of the store hold: `partition/offset value`, sorted; doubled rows show twice. */
function rowsIn(disk: MemoryDisk): string[] {
  const rows: string[] = [];
  for (const [name, bytes] of disk.files) {
    const partition = /\/t-(\d+)-/.exec(name)?.[1];
    if (!name.startsWith("tweets/") || partition === undefined) continue;
    for (const line of bytes.toString().split("\n").slice(0, -1)) rows.push(`${partition} ${line}`);
  }
  return rows.sort();
}

function fill(source: MemorySource, partition: number, count: number, from = 0): string[] {
  const rows: string[] = [];
  for (let index = from; index < from + count; index++) {
    // Every seventh offset is a control record; hours change within segments.
    const offset = BigInt(index + Math.floor(index / 6));
    source.append(partition, [textRecord(offset, `v${index}`, index * 600_000)]);
    rows.push(`${partition} ${offset}\tv${index}`);
  }
  return rows;
}

test("lands what is there and what comes, and makes it visible", async () => {
  const w = world();
  const wanted = [...fill(w.source, 0, 25), ...fill(w.source, 1, 3)];
  w.source.setEnd(1, 40n);
  const stop = new AbortController();
  const landing = start(w, stop.signal);
  const isDone = (count: number) => () => landing.status().queryable === BigInt(count);
  await until(isDone(28), landing);
  wanted.push(...fill(w.source, 0, 4, 25));
  await until(isDone(32), landing);
  assert.deepEqual(rowsIn(w.disk), wanted.sort());
  const status = landing.status();
  assert.equal(status.state, "RUNNING");
  assert.deepEqual(
    status.partitions.map((one) => [one.landedOffset, one.queryableOffset, one.lag]),
    [
      [33n, 33n, 0n],
      [40n, 40n, 0n],
    ],
  );
  stop.abort();
  await landing.done;
  assert.equal(landing.status().state, "STOPPING");
});

test("offsets without records are queryable as soon as they are landed", async () => {
  const w = world();
  w.source.setEnd(1, 3n);
  const wanted = fill(w.source, 0, 1);
  const stop = new AbortController();
  const landing = start(w, stop.signal);
  const lags = () =>
    landing.status().partitions.map((one) => one.landedOffset - one.queryableOffset);
  await until(
    () => landing.status().queryable === 1n && lags().every((lag) => lag === 0n),
    landing,
  );
  assert.deepEqual(rowsIn(w.disk), wanted);
  assert.equal(landing.status().partitions[1]?.landedOffset, 3n);
  stop.abort();
  await landing.done;
});

test("a crash before or after any effect loses nothing and doubles nothing", async () => {
  for (let at = 0; ; at++) {
    const seen = { crash: false };
    for (const fault of ["before", "after"] as const) {
      const w = world();
      const wanted = [...fill(w.source, 0, 12), ...fill(w.source, 1, 5)].sort();
      const crash = new AbortController();
      let effects = 0;
      w.disk.fault = (operation) => {
        if (crash.signal.aborted) return "before";
        if (!operation.startsWith("create") || effects++ !== at) return "none";
        seen.crash = true;
        crash.abort();
        return fault;
      };
      const first = start(w, crash.signal);
      await until(() => crash.signal.aborted || first.status().queryable === 17n, first);
      crash.abort();
      await first.done;
      w.disk.fault = () => "none";
      const stop = new AbortController();
      const second = start(w, stop.signal);
      await until(() => rowsIn(w.disk).length >= 17, second);
      const isVisible = () => w.catalog.registered.reduce((sum, one) => sum + one.rows, 0) >= 17;
      await until(isVisible, second);
      stop.abort();
      await second.done;
      assert.deepEqual(rowsIn(w.disk), wanted, `crash ${fault} effect ${at}`);
      assert.equal(
        w.catalog.registered.reduce((sum, one) => sum + one.rows, 0),
        17,
      );
    }
    if (!seen.crash) {
      assert.ok(at > 8, "the crashes hit nothing");
      return;
    }
  }
});

test("a store that is away makes it degraded, and it goes on afterwards", async () => {
  const w = world();
  const wanted = fill(w.source, 0, 5);
  w.disk.fault = (operation) => (operation === "createFromFile" ? "before" : "none");
  const stop = new AbortController();
  const landing = start(w, stop.signal);
  await until(() => landing.status().state === "DEGRADED", landing);
  assert.match(landing.status().reason, /store is away/);
  w.disk.fault = () => "none";
  await until(() => landing.status().queryable === 5n, landing);
  assert.equal(landing.status().state, "RUNNING");
  assert.deepEqual(rowsIn(w.disk), wanted);
  const changes = landing.names().filter((name) => /degraded|recovered/.test(name));
  assert.deepEqual(changes, ["landing.degraded", "landing.recovered"]);
  stop.abort();
  await landing.done;
});

test("landing does not wait for a catalog that is away, and it catches up", async () => {
  const w = world();
  fill(w.source, 0, 60);
  w.catalog.fault = () => "before";
  const stop = new AbortController();
  const landing = start(w, stop.signal);
  await until(() => landing.status().landed === 60n, landing);
  assert.equal(landing.status().queryable, 0n);
  w.catalog.fault = () => "none";
  await until(() => landing.status().queryable === 60n, landing);
  assert.ok((w.catalog.batches[0] ?? 0) > 1, "segments were not registered together");
  stop.abort();
  await landing.done;
});

test("a catalog that refuses is asked again from its preparation on", async () => {
  const w = world();
  fill(w.source, 0, 5);
  let prepared = 0;
  let refused = 0;
  const catalog = {
    ...w.catalog,
    async prepare(signal: AbortSignal) {
      prepared += 1;
      await w.catalog.prepare(signal);
    },
    async register(entries: readonly LedgerEntry[], signal: AbortSignal) {
      if (refused++ === 0) throw new ConfigError("the table was dropped");
      await w.catalog.register(entries, signal);
    },
  };
  const stop = new AbortController();
  const landing = start(w, stop.signal, { catalog });
  await until(() => landing.status().state === "DEGRADED", landing);
  assert.match(landing.status().reason, /^catalog: the table was dropped/);
  await until(() => landing.status().queryable === 5n && prepared === 2, landing);
  await until(() => landing.status().state === "RUNNING", landing);
  stop.abort();
  await landing.done;
});

test("segments that an earlier process landed are registered by the next", async () => {
  const w = world();
  fill(w.source, 1, 30);
  w.catalog.fault = () => "before";
  const crash = new AbortController();
  const first = start(w, crash.signal);
  await until(() => first.status().landed === 30n, first);
  crash.abort();
  await first.done;
  w.catalog.fault = () => "none";
  const stop = new AbortController();
  const second = start(w, stop.signal);
  await until(() => second.status().queryable === 30n, second);
  assert.equal(second.status().landed, 0n);
  stop.abort();
  await second.done;
});

test("a fenced partition stops with a named reason; the other goes on", async () => {
  const w = world();
  fill(w.source, 0, 3);
  const stop = new AbortController();
  const landing = start(w, stop.signal);
  await until(() => landing.status().landed === 3n, landing);
  const rival = memoryStore(w.disk);
  const id = { topic: TOPIC, partition: 0 };
  const { position = 0n } = await rival.readLedger(id, stop.signal);
  const cut = { ...id, first: position, last: position + 1n, decidedAtMs: 1, schema: "t1" };
  await rival.writeCut(cut, stop.signal);
  fill(w.source, 0, 2, 3);
  fill(w.source, 1, 2);
  await until(() => landing.status().state === "DEGRADED", landing);
  await until(() => landing.status().landed === 5n, landing);
  assert.match(landing.status().reason, /^t\/0: LANDING_FENCED: /);
  assert.ok(landing.names().includes("landing.partition_stopped"));
  stop.abort();
  await landing.done;
});

test("when every partition is fenced, landing ends with the reason", async () => {
  const w = world();
  fill(w.source, 0, 3);
  const rival = memoryStore(w.disk);
  const landing = start(w, new AbortController().signal, {
    partitions: [0],
    store: {
      ...memoryStore(w.disk),
      async writeCut(cut, signal) {
        await rival.writeCut({ ...cut, decidedAtMs: 1 }, signal);
        await memoryStore(w.disk).writeCut(cut, signal);
      },
    },
  });
  await assert.rejects(landing.done, (error) => {
    assert.ok(error instanceof HybridgeError && error.code === "LANDING_STOPPED");
    assert.ok(error.cause instanceof HybridgeError && error.cause.code === "LANDING_FENCED");
    return true;
  });
});

test("records that cannot be rows become dead letters and the rest lands", async () => {
  const w = world();
  const key = Buffer.from("k");
  w.source.append(0, [textRecord(0n, "ok"), { ...textRecord(1n, "bad\u00ff"), key }]);
  w.source.append(1, [textRecord(0n, "bad only")]);
  const stop = new AbortController();
  const landing = start(w, stop.signal);
  await until(() => landing.status().deadLetters === 2n, landing);
  const name = "_dead-letters/t/0/0000000000000000000-0000000000000000001.ndjson";
  const letter = JSON.parse(w.disk.files.get(name)?.toString() ?? "") as Record<string, unknown>;
  assert.deepEqual(letter, {
    topic: "t",
    partition: 0,
    offset: "1",
    reason: "begins with bad",
    key: key.toString("base64"),
    value: Buffer.from("bad\u00ff").toString("base64"),
    headers: [],
  });
  stop.abort();
  await landing.done;
});

test("memory stays within its budget while the store is away", async () => {
  const w = world();
  let opened = 0;
  const value = "x".repeat(1_000);
  for (let index = 0; index < 300; index++) {
    w.source.append(index % 2, [textRecord(BigInt(index >> 1), value)]);
  }
  w.disk.fault = (operation) => (operation === "create" ? "before" : "none");
  const stop = new AbortController();
  const landing = start(w, stop.signal, {
    limits: { ...limits, recordsMax: 1_000, ageMaxMs: 60_000, bufferBytesMax: 40_000 },
    open: async function* (positions, signal) {
      for await (const batch of w.source.open(positions, signal)) {
        opened += batch.records.length;
        yield batch;
      }
    },
  });
  await until(() => landing.status().state === "DEGRADED", landing);
  await delay(30);
  assert.ok(opened * 1_200 <= 40_000 + 7 * 1_200 + 1_200, `${opened} records were read`);
  w.disk.fault = () => "none";
  // The last records are below the budget and not due: age would cut them.
  await until(() => landing.status().landed >= 260n, landing);
  stop.abort();
  await landing.done;
});

test("an unexpected error of ours ends the landing", async () => {
  const w = world();
  fill(w.source, 0, 1);
  const landing = start(w, new AbortController().signal, {
    encoder: { schema: "x", encode: () => Promise.reject(new TypeError("a bug")) },
  });
  await assert.rejects(landing.done, TypeError);
});
