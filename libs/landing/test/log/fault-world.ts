import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { isAbort, UnavailableError, type Clock } from "@hybridge/core";
import {
  createFollower,
  openLandingLog,
  sweepStaging,
  type LandingLog,
  type PreparedCommit,
} from "../../src/index.ts";
import {
  memoryFollowingCatalog,
  memoryLanding,
  ProcessDiedError,
  type CallFault,
  type MemoryTableStore,
} from "../../src/testing/index.ts";
import type { CommitContent } from "../../src/log/commit-content.ts";
import type { LandedRange, TopicKey } from "../../src/log/protocol.ts";

export const signal: AbortSignal = new AbortController().signal;
export const topic: TopicKey = { cluster: "c", topic: "hybrid", topicId: "AAAAAAAAAAAAAAAAAAAAAQ" };
const HOUR_MS = 3_600_000;
const TRIES = 5;

export interface WorldOptions {
  readonly seed: number;
  readonly moves: boolean;
  readonly workers: number;
  readonly partitions: number;
  /** Commits after which everybody stops. */
  readonly commits: number;
  /** Of calls: how many fail, in any way. */
  readonly faults: number;
  /** Of calls: at how many the process dies. */
  readonly deaths: number;
  /** Of calls: at how many the process is stopped, for up to `sleepCommits` of the others. */
  readonly stops: number;
  readonly sleepCommits: number;
  /** Workers that are stopped in a certain call, and for how many commits of the others. */
  readonly sleepers?: readonly Sleeper[];
}

export interface Sleeper {
  readonly worker: number;
  /** The call, and where: after it has had its effect, before it returns. */
  readonly call: string;
  readonly path: string;
  readonly fromCommits: number;
  readonly toCommits: number;
}

export interface Process {
  readonly store: MemoryTableStore;
  readonly log: LandingLog;
}

/** What somebody was told about a commit. */
export interface Told {
  readonly prepared: PreparedCommit;
  readonly kind: "committed" | "lost" | "swept" | "asleep" | "refused";
  readonly number: number;
}

/** Several processes over one store, and everything that can befall them; a seed repeats it. */
export class FaultWorld {
  readonly options: WorldOptions;
  readonly landing;
  readonly told: Told[] = [];
  readonly processes: Process[] = [];
  readonly catalog = memoryFollowingCatalog();
  readonly random: () => number;
  readonly clock: Clock;
  readonly counts = { committed: 0, deaths: 0, stops: 0, faults: 0 };
  #now = Date.UTC(2026, 10, 26);
  #isOver = false;
  #nextCommit: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #slept = new Set<Sleeper>();
  readonly #stopped = new Map<MemoryTableStore, number>();

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = generator(options.seed);
    this.landing = memoryLanding({
      moves: options.moves,
      readLocal: ({ localPath }) => Promise.resolve(Buffer.from(localPath)),
    });
    this.clock = Object.assign(
      {
        now: () => this.#now,
        sleep: async (ms: number, until?: AbortSignal) => {
          // Chance, and what waits for long, is no part of what a seed repeats.
          this.#now += 100;
          if (ms >= 1_000) await this.#nextCommit.promise;
          for (let turn = 0; turn < 20; turn++) await Promise.resolve();
          until?.throwIfAborted();
        },
      },
      { monotonic: () => this.#now },
    );
  }

  chance(part: number): boolean {
    return this.random() < part;
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  /** Everybody works until there are enough commits; then all that is on its way arrives. */
  async run(): Promise<void> {
    const workers = Array.from({ length: this.options.workers }, (_, index) => this.#work(index));
    const parts = [...workers, this.#follow()];
    for (const part of parts) part.catch(() => this.#end());
    await Promise.all(parts);
    while (this.landing.late > 0) this.landing.deliver((count) => this.below(count));
  }

  async start(name: string, isSafe = false): Promise<Process> {
    const store = this.landing.open();
    if (!isSafe) store.fault = (call, path) => this.#befall(store, name, call, path);
    const log = await openLandingLog(
      {
        store,
        table: "tweets",
        writer: name,
        emit: () => undefined,
        clock: this.clock,
        randomHex: () => this.#hex(),
        randomUuid: () => "6f1c3c1e-9d1b-4a52-8a6a-0f3f5f0d2a11",
      },
      signal,
    );
    return { store, log };
  }

  later(ms: number): void {
    this.#now += ms;
  }

  async #work(index: number): Promise<void> {
    let process: Process | undefined;
    while (!this.#isOver) {
      try {
        if (!process) {
          process = await this.start(`worker ${index}`);
          this.processes.push(process);
        }
        await this.#flush(process);
        if (index === 1 && this.chance(0.02)) await this.#sweep(process);
      } catch (error) {
        if (error instanceof ProcessDiedError) process = undefined;
        else if (!(error instanceof UnavailableError)) throw error;
      }
    }
    this.#end();
  }

  async #flush(process: Process): Promise<void> {
    const { log } = process;
    const content = this.#content(log);
    const prepared = await log.prepare(content, signal);
    const outcome = await this.#insist(() => log.commit(prepared, signal));
    const number = outcome.kind === "committed" ? outcome.number : -1;
    this.told.push({ prepared, kind: outcome.kind, number });
    if (outcome.kind !== "committed") {
      await this.#insist(() => log.discard(prepared, signal));
      return;
    }
    this.#committed();
    await this.#insist(() => log.publish(prepared, signal));
    await log.maintain(signal);
  }

  /** What an owner would land next, of some partitions; sometimes a back-fill further on, or a gap. */
  #content(log: LandingLog): CommitContent {
    const ranges: LandedRange[] = [];
    const chosen = new Set(
      Array.from({ length: 1 + this.below(3) }, () => this.below(this.options.partitions)),
    );
    for (const partition of chosen) {
      const hole = log.state.position(topic, partition);
      const from = hole.from + (this.chance(0.05) ? BigInt(this.below(40)) : 0n);
      const wanted = from + BigInt(1 + this.below(5));
      const to = hole.to !== undefined && hole.to < wanted ? hole.to : wanted;
      if (from >= to) continue;
      ranges.push({ partition, from, to, rows: Number(to - from), dead: 0, md5Sum: from });
    }
    const [first] = ranges;
    if (!first) return { actions: [] };
    if (this.chance(0.05)) {
      const { partition, from, to } = first;
      return { gaps: [{ ...topic, partition, from, to, why: "retention", what: "gone" }] };
    }
    const rows = ranges.reduce((sum, range) => sum + range.rows, 0);
    const localPath = ranges
      .map(({ partition, from, to }) => `${partition}:${from}-${to}`)
      .join(" ");
    const sha256 = createHash("sha256").update(localPath).digest("hex");
    const local = { localPath, bytes: localPath.length, sha256 };
    return {
      advances: [{ ...topic, ranges }],
      columns: { id: "t1", names: ["a"] },
      files: [{ dt: "2026-11-26", hr: "14", suffix: ".parquet", rows, local }],
    };
  }

  async #sweep({ log, store }: Process): Promise<void> {
    if (this.chance(0.3)) this.later(20 * HOUR_MS);
    await sweepStaging(
      log,
      { store, emit: () => undefined, clock: this.clock, draftAgeMs: 60_000 },
      signal,
    );
  }

  /** Somebody follows all the time, in a process that dies as others do. */
  async #follow(): Promise<void> {
    while (!this.#isOver) {
      const over = new AbortController();
      try {
        const { store, log } = await this.start("follower");
        const options = {
          store,
          log,
          catalog: this.catalog,
          clock: this.clock,
          emit: () => undefined,
        };
        const follower = createFollower({ ...options, intervalMs: 1_000, commitsMax: 50 });
        const running = follower.run(over.signal);
        while (this.counts.committed < this.options.commits) {
          const isDone = await Promise.race([
            running.then(() => true),
            this.clock.sleep(1_000).then(() => false),
          ]);
          if (isDone) break;
        }
        over.abort();
        store.goOn();
        await running;
      } catch (error) {
        const expected = error instanceof ProcessDiedError || error instanceof UnavailableError;
        if (!expected && !isAbort(error)) throw error;
      }
    }
  }

  #befall(store: MemoryTableStore, name: string, call: string, path: string): CallFault {
    if (this.#isOver) return "none";
    const { faults, deaths, stops, sleepCommits } = this.options;
    if (this.#fallsAsleep(store, name, call, path)) return "none";
    this.#now += 20;
    if (this.chance(0.02) && this.landing.late > 0)
      this.landing.deliver((count) => this.below(count));
    if (this.chance(deaths)) {
      this.counts.deaths += 1;
      store.kill();
      return "none";
    }
    // The first goes on, whoever else is stopped.
    if (name !== "worker 0" && this.chance(stops)) {
      this.#stop(store, this.counts.committed + this.below(sleepCommits));
    }
    if (!this.chance(faults)) return "none";
    this.counts.faults += 1;
    return (["before", "after", "late"] as const)[this.below(3)] ?? "none";
  }

  #fallsAsleep(store: MemoryTableStore, name: string, call: string, path: string): boolean {
    const sleeper = this.options.sleepers?.find(
      (each) =>
        `worker ${each.worker}` === name && each.call === call && path.startsWith(each.path),
    );
    if (!sleeper || this.#slept.has(sleeper)) return false;
    if (this.counts.committed < sleeper.fromCommits) return false;
    this.#slept.add(sleeper);
    this.#stop(store, sleeper.toCommits);
    return true;
  }

  #stop(store: MemoryTableStore, untilCommits: number): void {
    this.counts.stops += 1;
    this.#stopped.set(store, untilCommits);
    store.stop();
  }

  #committed(): void {
    this.counts.committed += 1;
    if (this.counts.committed >= this.options.commits) {
      this.#end();
      return;
    }
    this.#nextCommit.resolve();
    this.#nextCommit = Promise.withResolvers();
    for (const [store, until] of this.#stopped) {
      if (until > this.counts.committed) continue;
      this.#stopped.delete(store);
      store.goOn();
    }
  }

  /** Nobody begins anything any more; who was stopped does what he was about to do. */
  #end(): void {
    this.#isOver = true;
    this.#nextCommit.resolve();
    for (const store of this.#stopped.keys()) store.goOn();
  }

  async #insist<T>(task: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await task();
      } catch (error) {
        if (!(error instanceof UnavailableError) || tries >= TRIES) throw error;
      }
    }
  }

  #hex(): string {
    return Array.from({ length: 4 }, () =>
      this.below(2 ** 32)
        .toString(16)
        .padStart(8, "0"),
    ).join("");
  }
}

/** Mulberry32: small, and the same everywhere. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

assert.notEqual(generator(1)(), generator(2)());
