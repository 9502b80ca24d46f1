import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { ClusterOptions } from "@hybridge/kafka";
import type { GetStatusResponse } from "@hybridge/proto/hybridge/warehouse/v1/warehouse_service";
import { unpackEarlierVersion } from "./earlier-version.ts";
import { writeHostile } from "./hostile-records.ts";
import { addPartitions, PARTITIONS, TRACEPARENT, writePosts, type Written } from "./posts.ts";
import { startWarehouse, type WarehouseApp, type WarehouseProcess } from "./warehouse-process.ts";

/** A component that can be killed and started again. */
export interface Killable {
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** One side with everything that it needs, and a way to look at what it did. */
export interface WarehouseUnderTest extends AsyncDisposable {
  readonly cluster: ClusterOptions;
  /** Spans of the processes. */
  readonly traceFile: string;
  /** The environment of a process, with short times. */
  environment(more: Readonly<Record<string, string>>): Record<string, string>;
  /** `partition/offset md5` of every row in landed files, sorted; doubled ones twice. */
  rowsInFiles(): Promise<readonly string[]>;
  /** The same by SQL. */
  rowsByQuery(): Promise<readonly string[]>;
  deadLetters(): Promise<readonly string[]>;
  readonly kafka: Killable;
  readonly store: Killable;
  readonly catalog: Killable;
}

export interface AcceptanceOptions {
  readonly app: WarehouseApp;
  /** Where a process is killed; those of store and catalog included. */
  readonly failpoints: readonly string[];
  /** Does a query still show what was deleted? Files always do. */
  readonly queriesShowDeleted: boolean;
}

/** A group hears of a dead process after this time. */
const SESSION_MS = 6_000;
/** Where a process is killed whose flushes overtake one another. */
const SEVERAL_UNDER_WAY = [
  "landing.after-encode-behind",
  "landing.before-commit@2",
  "landing-log.after-create@2",
  "landing.after-commit@2",
];

/**
 * Registers with node:test what each warehouse must do, on real components: exactly once under
 * kills, with any number of processes, and nothing that stops for good.
 */
export function warehouseAcceptance(
  options: AcceptanceOptions,
  open: () => Promise<WarehouseUnderTest>,
): void {
  void describe(`${options.app} lands each record once`, () => {
    const run = new AcceptanceRun(options);
    before(async () => {
      run.subject = await open();
    });
    after(() => run.subject[Symbol.asyncDispose]());
    // They build on one another: what an earlier one left is what a later one finds.
    landingCases(run);
    sharingCases(run);
  });
}

class AcceptanceRun {
  readonly options: AcceptanceOptions;
  readonly written: Written = { rows: [], gone: [], bad: [] };
  readonly signal = new AbortController().signal;
  subject!: WarehouseUnderTest;
  partitions = PARTITIONS;

  constructor(options: AcceptanceOptions) {
    this.options = options;
  }

  /** @param checkout the sources of an earlier version; by default these */
  start(more: Readonly<Record<string, string>> = {}, checkout?: string): WarehouseProcess {
    return startWarehouse(this.options.app, this.subject.environment(more), checkout);
  }

  async write(count: number): Promise<void> {
    await writePosts(this.subject.cluster, this.written, count, this.signal, this.partitions);
  }

  /** By partition the offset behind the last record: ends alone tell little, as markers have offsets. */
  ends(): ReadonlyMap<number, bigint> {
    const ends = new Map<number, bigint>();
    const { rows, gone, bad } = this.written;
    for (const each of [...rows, ...gone, ...bad]) {
      const [partition = "", offset = ""] = each.split(/[/ ]/);
      const end = BigInt(offset) + 1n;
      if (end > (ends.get(Number(partition)) ?? 0n)) ends.set(Number(partition), end);
    }
    return ends;
  }

  /** Waits until some processes together have landed everything, and queries show it. */
  async landedBy(processes: readonly WarehouseProcess[]): Promise<void> {
    const patience = Date.now() + 120_000;
    const ends = this.ends();
    let seen: readonly (GetStatusResponse | undefined)[] = [];
    while (Date.now() < patience) {
      seen = await Promise.all(processes.map((process) => process.status()));
      const partitions = seen.flatMap((status) => status?.partitions ?? []);
      const isDone = partitions.every((one) => {
        const isLanded = one.lag === 0n && one.landedOffset >= (ends.get(one.partition) ?? 0n);
        return isLanded && one.queryableOffset === one.landedOffset;
      });
      const numbers = new Set(partitions.map(({ partition }) => partition));
      const isAll = numbers.size === this.partitions && partitions.length === numbers.size;
      if (isAll && isDone) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const logs = processes.map((process) => process.log().slice(-3_000)).join("\n---\n");
    const text = JSON.stringify(seen, (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    throw new Error(`not everything was landed; last seen ${text}\n${logs}`);
  }

  async stop(process: WarehouseProcess): Promise<void> {
    process.kill("SIGTERM");
    assert.deepEqual(await process.ended, { code: 0, signal: null }, process.log());
  }

  async landAll(): Promise<void> {
    await using process = this.start();
    await this.landedBy([process]);
    await this.stop(process);
  }

  /** The oracle: files and queries hold what was written, each once. */
  async assertAllLanded(): Promise<void> {
    const { subject, written } = this;
    const rows = [...written.rows, ...written.gone].sort();
    assert.deepEqual(await subject.rowsInFiles(), rows);
    assert.deepEqual(await subject.deadLetters(), written.bad.toSorted());
    const shown = this.options.queriesShowDeleted ? rows : written.rows.toSorted();
    assert.deepEqual(await subject.rowsByQuery(), shown);
  }
}

function landingCases(run: AcceptanceRun): void {
  void it("lands what is in the topic, shows it, and stops at SIGTERM", async () => {
    await run.write(250);
    await writeHostile(run.subject.cluster, run.written, run.signal);
    await run.landAll();
    await run.assertAllLanded();
  });

  void it("a post's trace reaches its landing", async () => {
    const lines = (await readFile(run.subject.traceFile, "utf8")).trim().split("\n");
    const spans = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const [, traceId, parentId] = TRACEPARENT.split("-");
    const landed = spans.filter((span) => span["traceId"] === traceId);
    assert.ok(landed.length >= PARTITIONS, "one per partition");
    for (const span of landed) {
      assert.equal(span["name"], "landing post");
      assert.equal(span["parentSpanId"], parentId);
    }
  });

  void it("killed at any failpoint, it goes on with nothing lost and nothing doubled", async () => {
    for (const [index, failpoint] of run.options.failpoints.entries()) {
      await run.write(30);
      // The start that recovers from one kill is the one that the next kill hits. Each is in a group
      // of its own, as nobody has to wait there for the dead one to be missed: the log decides.
      const group = `killed-${index}`;
      const more = { HYBRIDGE_FAILPOINT: failpoint, HYBRIDGE_GROUP_ID: group };
      await using process = run.start(more);
      const end = await process.ended;
      assert.equal(end.signal, "SIGKILL", `${failpoint}: ${process.log()}`);
    }
    await run.landAll();
    await run.assertAllLanded();
  });

  void it("killed with several flushes under way, it goes on the same", async () => {
    for (const [index, failpoint] of SEVERAL_UNDER_WAY.entries()) {
      await run.write(60);
      const more = {
        HYBRIDGE_FAILPOINT: failpoint,
        HYBRIDGE_GROUP_ID: `several-${index}`,
        // So that each batch is a flush.
        HYBRIDGE_FLUSH_RECORDS_MAX: "4",
      };
      await using process = run.start(more);
      const end = await process.ended;
      assert.equal(end.signal, "SIGKILL", `${failpoint}: ${process.log()}`);
    }
    await run.landAll();
    await run.assertAllLanded();
  });

  void it("killed when it has left out what another was faster with, it goes on the same", async () => {
    await run.write(10);
    const own = { HYBRIDGE_PARTITIONS: "0", HYBRIDGE_FLUSH_RECORDS_MAX: "1" };
    await using rival = run.start(own);
    // It has read the same, and is told to land it when the rival has.
    await using process = run.start({
      HYBRIDGE_PARTITIONS: `0-${run.partitions - 1}`,
      HYBRIDGE_FAILPOINT: "landing.after-leaving-out",
      HYBRIDGE_FLUSH_INTERVAL_MS: "3600000",
    });
    await process.until(({ partitions }) => partitions.length === run.partitions);
    await run.write(20);
    let end: bigint | undefined;
    while (end === undefined) {
      const [first, second] = [await readTo(process, 0), await readTo(process, 1)];
      if (second !== undefined) end = first;
      await delay(50);
    }
    await rival.until(({ partitions }) => partitions[0]?.landedOffset === end);
    await process.control.flush().catch(() => undefined);
    assert.equal((await process.ended).signal, "SIGKILL", process.log());
    await run.stop(rival);
    await run.landAll();
    await run.assertAllLanded();
  });

  void it("components that are killed while it runs are waited for", async () => {
    const { subject } = run;
    await run.write(30);
    await using process = run.start();
    await process.until((status) => status.state === "RUNNING");
    await subject.store.kill();
    await run.write(30);
    await process.until(({ state, reason }) => state === "DEGRADED" && /store/.test(reason));
    await Promise.all([subject.store.restart(), subject.catalog.kill()]);
    await run.write(30);
    await process.until(({ reason }) => /catalog/.test(reason) && !/store/.test(reason));
    await subject.catalog.restart();
    await subject.kafka.kill();
    await subject.kafka.restart();
    await run.write(30);
    await run.landedBy([process]);
    await run.stop(process);
    await run.assertAllLanded();
  });

  void it("paused, resumed and flushed over gRPC", async () => {
    await using process = run.start({ HYBRIDGE_FLUSH_INTERVAL_MS: "3600000" });
    await process.until(({ partitions }) => partitions.length === run.partitions);
    assert.deepEqual(await process.control.pause([0]), [0]);
    await run.write(20);
    const read = async (partition: number) => {
      const listed = await process.control.partitions();
      return listed.find((each) => each.partition === partition);
    };
    for (;;) {
      const other = await read(1);
      if (other !== undefined && other.readOffset > other.landedOffset) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal((await read(0))?.state, "paused");
    await process.control.flush();
    assert.equal((await read(1))?.lag, 0n);
    assert.deepEqual(await process.control.resume([]), [0]);
    for (;;) {
      const paused = await read(0);
      if (paused !== undefined && paused.readOffset === paused.endOffset && paused.lag > 0n) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // Stopped, it lands what it has read, long before the flush is due.
    await run.stop(process);
    await run.landAll();
    await run.assertAllLanded();
  });
}

/** How far the process has read a partition, if that is to its end and not landed. */
async function readTo(process: WarehouseProcess, partition: number): Promise<bigint | undefined> {
  const listed = await process.control.partitions();
  const at = listed.find((each) => each.partition === partition);
  const isRead = at !== undefined && at.readOffset === at.endOffset && at.lag > 0n;
  return isRead ? at.readOffset : undefined;
}

function sharingCases(run: AcceptanceRun): void {
  const shared = {
    HYBRIDGE_SESSION_TIMEOUT_MS: String(SESSION_MS),
    HYBRIDGE_GROUP_PROTOCOL: "classic",
  };

  void it("two processes share the partitions; a killed one's go on with the other", async (t) => {
    await using first = run.start(shared);
    await first.until(({ partitions }) => partitions.length === run.partitions);
    await using second = run.start(shared);
    await second.until(({ partitions }) => partitions.length > 0);
    await run.write(40);
    await run.landedBy([first, second]);
    await run.write(40);
    second.kill("SIGKILL");
    await second.ended;
    const killedAt = performance.now();
    await first.until(({ partitions }) => partitions.length === run.partitions);
    const tookMs = Math.round(performance.now() - killedAt);
    t.diagnostic(`taken over after ${tookMs} ms, with a session of ${SESSION_MS} ms`);
    await run.landedBy([first]);
    await run.stop(first);
    await run.assertAllLanded();
  });

  void it("stopped beyond every time-out and woken, a process does no harm and lands again", async () => {
    await using first = run.start(shared);
    await first.until(({ partitions }) => partitions.length === run.partitions);
    await run.write(40);
    first.kill("SIGSTOP");
    await using second = run.start(shared);
    await second.until(({ partitions }) => partitions.length === run.partitions);
    await run.write(40);
    await run.landedBy([second]);
    first.kill("SIGCONT");
    await run.write(40);
    await first.until(({ partitions }) => partitions.length > 0);
    await run.landedBy([first, second]);
    await Promise.all([run.stop(first), run.stop(second)]);
    await run.assertAllLanded();
  });

  void it("processes of two versions replace one another, forth and back", async (context) => {
    await using stack = new AsyncDisposableStack();
    const earlier = await mkdtemp(join(tmpdir(), "hybridge-earlier-"));
    stack.defer(() => rm(earlier, { recursive: true, force: true }));
    const problem = unpackEarlierVersion("log", earlier);
    if (problem !== undefined) context.diagnostic(`of one version only: ${problem}`);
    let former = stack.use(run.start(shared));
    await former.until(({ partitions }) => partitions.length === run.partitions);
    for (const checkout of [problem === undefined ? earlier : undefined, undefined]) {
      await run.write(30);
      const next = stack.use(run.start(shared, checkout));
      await next.until(({ partitions }) => partitions.length > 0);
      await run.write(30);
      await run.stop(former);
      former = next;
    }
    await run.landedBy([former]);
    await run.stop(former);
    await run.assertAllLanded();
  });

  void it("added partitions land from their beginning", async () => {
    await using process = run.start(shared);
    await process.until(({ partitions }) => partitions.length === run.partitions);
    run.partitions += 1;
    await addPartitions(run.subject.cluster, run.partitions, run.signal);
    await run.write(30);
    await run.landedBy([process]);
    await run.stop(process);
    await run.assertAllLanded();
  });
}
