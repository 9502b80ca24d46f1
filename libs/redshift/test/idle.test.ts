import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "@hybridge/core";
import { startLanding } from "@hybridge/landing";
import {
  memoryBlobs,
  memoryDisk,
  memorySource,
  memoryStore,
  textEncoder,
  textRecord,
} from "@hybridge/landing/testing";
import { redshiftColumnNames } from "@hybridge/tweet";
import type { Redshift } from "../src/api.ts";
import { redshiftCatalog } from "../src/catalog.ts";
import { describeDeletions, wantedObjects } from "../src/create-sql.ts";

const DAY_MS = 86_400_000;
/** Sleeps of this clock last at least so long, or a day would have two million of them. */
const COARSE_MS = 15_000;

/** A clock that moves to the next sleeper whenever it is told to. */
function steppedClock() {
  let nowMs = 0;
  let sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  const clock: Clock = {
    now: () => nowMs,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const wake = () => resolve(undefined);
      const stop = () => reject(signal?.reason as Error);
      sleepers.push({ atMs: nowMs + Math.max(ms, COARSE_MS), wake });
      signal?.addEventListener("abort", stop, { once: true });
      await promise.finally(() => signal?.removeEventListener("abort", stop));
    },
  };
  async function pass(ms: number): Promise<void> {
    const endMs = nowMs + ms;
    while (nowMs < endMs) {
      await turn();
      nowMs = Math.min(endMs, ...sleepers.map(({ atMs }) => atMs));
      const due = sleepers.filter(({ atMs }) => atMs <= nowMs);
      sleepers = sleepers.filter(({ atMs }) => atMs > nowMs);
      for (const { wake } of due) wake();
    }
  }
  return { clock, pass };
}

/** A warehouse with all tables that counts what it is asked. */
function counting() {
  const asked: string[] = [];
  const names = { schema: "hybridge", table: "tweets" };
  const there = wantedObjects(names);
  const redshift: Redshift = {
    address: "counting",
    execute(sql) {
      asked.push(sql);
      const strings = (values: string[]) => ({ list: "strings", values, nullRows: [] }) as const;
      const kinds = strings(there.map(({ kind }) => kind));
      const columns = [kinds, strings(there.map(({ name }) => name))];
      const batch = { rowCount: there.length, columns };
      const isCatalog = sql.includes("svv_all_tables");
      const described = sql === describeDeletions(names) ? ["kafka_timestamp"] : POSTS;
      return Promise.resolve({
        statementId: "1",
        columns: described.map((name) => ({ name, engineType: "varchar", type: "string" })),
        rows: undefined,
        batches: Readable.from(isCatalog ? [batch] : []),
      });
    },
    transaction(sqls) {
      asked.push(...sqls);
      return Promise.resolve({ statementId: "1", rows: [] });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { redshift, asked };
}

const POSTS = redshiftColumnNames();

test("with nothing to load, Redshift gets no statement in a day", async () => {
  const { clock, pass } = steppedClock();
  const { redshift, asked } = counting();
  const controller = new AbortController();
  const source = memorySource("t");
  const disk = memoryDisk();
  const landing = startLanding({
    topic: "t",
    partitions: [0, 1],
    open: source.open,
    store: memoryStore(disk),
    encoder: textEncoder(),
    catalog: redshiftCatalog({ redshift, blobs: memoryBlobs(disk) }),
    limits: {
      recordsMax: 1,
      bytesMax: 1_000_000,
      ageMaxMs: 20,
      streamMaxMs: 0,
      bufferBytesMax: 1_000_000,
      registerIntervalMs: 30_000,
    },
    emit: () => undefined,
    signal: controller.signal,
    clock,
  });
  const isLoaded = async (rows: bigint) => {
    // Files are written in real time.
    while (landing.status().queryable < rows) await pass(30_000);
  };
  source.append(0, [textRecord(0n, "a")]);
  await isLoaded(1n);
  const before = asked.length;
  await pass(DAY_MS);
  assert.deepEqual(asked.slice(before), []);
  assert.equal(landing.status().state, "RUNNING");
  source.append(0, [textRecord(1n, "b")]);
  await isLoaded(2n);
  assert.ok(asked.length > before);
  controller.abort();
  await landing.done;
});
