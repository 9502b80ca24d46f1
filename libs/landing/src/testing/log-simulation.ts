import { createHash } from "node:crypto";
import type { Clock } from "@hybridge/core";
import type { Following, FollowingCatalog } from "../catalog-port.ts";
import type { CommitContent } from "../log/commit-content.ts";
import { createFollower, type Follower } from "../log/follower.ts";
import { openLandingLog, type LandingLog, type PreparedCommit } from "../log/landing-log.ts";
import { createPace, type Pace } from "../log/pace.ts";
import type { LandedRange, TopicKey } from "../log/protocol.ts";
import { sweepStaging } from "../log/sweep.ts";
import { memoryLanding, type MemoryLanding, type MemoryTableStore } from "./memory-table-store.ts";

export interface SimulationOptions {
  readonly days: number;
  readonly intervalMs: number;
  readonly partitions: number;
  readonly workers: number;
  /** Chance, from 0 to 1. */
  readonly random: () => number;
  readonly moves?: boolean;
  /** Commits between two starts of a process that only looks. */
  readonly startEvery: number;
}

export interface SimulationResult {
  readonly commits: number;
  readonly void: number;
  readonly commitsPerHourMax: number;
  /** The most names that any folder ever had. */
  readonly folderNames: number;
  /** The most that any start needed. */
  readonly startCalls: number;
  readonly startBytes: number;
  readonly starts: number;
  readonly crashes: number;
  readonly lost: number;
  /** Offsets that the source has, that the log covers, and that the catalog was given, each once. */
  readonly produced: number;
  readonly covered: number;
  readonly followed: number;
}

const signal = new AbortController().signal;
const topic: TopicKey = { cluster: "c", topic: "hybrid", topicId: "AAAAAAAAAAAAAAAAAAAAAQ" };
const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);
/** Encoding and uploading. */
const STAGING_MS = 700;
const RESTART_MS = 10_000;
/** Between two changes of who owns which partitions. */
const REBALANCE_MS = 6 * HOUR_MS;
const RECORDS_PER_SECOND = 0.7;
const CRASHES = 1 / 3_000;
const LATE_FILES = 0.05;

/** Years in minutes: workers, a follower and a sweeper over a store in memory, by a clock of events. */
export async function simulateLog(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run();
}

interface Worker {
  readonly index: number;
  log: LandingLog;
  pace: Pace;
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #landing: MemoryLanding;
  readonly #workers: Worker[] = [];
  readonly #events = new EventQueue();
  readonly #catalog = new CheckingCatalog();
  readonly #endMs: number;
  #nowMs = START_MS;
  #starts = { count: 0, calls: 0, bytes: 0, dueAt: 0 };
  #crashes = 0;
  #lost = 0;
  #perHour = new Map<number, number>();

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#endMs = START_MS + options.days * 24 * HOUR_MS;
    const empty = Buffer.alloc(0);
    this.#landing = memoryLanding({
      moves: options.moves ?? true,
      listingMax: 1_000,
      readLocal: () => Promise.resolve(empty),
    });
  }

  async run(): Promise<SimulationResult> {
    const { workers, intervalMs, random } = this.#options;
    for (let index = 0; index < workers; index++) {
      const { log } = await this.#open(`worker ${index}`);
      const worker = { index, log, pace: createPace({ intervalMs, random }) };
      this.#workers.push(worker);
      this.#at(random() * intervalMs, () => this.#prepare(worker));
    }
    const follower = new SteppedFollower(
      this.#landing.open(),
      this.#first.log,
      this.#catalog,
      intervalMs,
    );
    this.#at(intervalMs, () => this.#follow(follower));
    this.#at(HOUR_MS, () => this.#sweep());
    for (
      let event = this.#events.pop();
      event && event.at < this.#endMs;
      event = this.#events.pop()
    ) {
      this.#nowMs = event.at;
      await event.run();
    }
    await this.#first.log.refresh(signal);
    await follower.step();
    await follower.end();
    return this.#result();
  }

  get #first(): Worker {
    const [first] = this.#workers;
    if (!first) throw new Error("a simulation has a worker");
    return first;
  }

  #at(delayMs: number, run: () => Promise<void>): void {
    this.#events.push({ at: this.#nowMs + delayMs, run });
  }

  async #open(writer: string): Promise<{ log: LandingLog; store: MemoryTableStore }> {
    const store = this.#landing.open();
    const clock: Clock = Object.assign(
      { now: () => Math.floor(this.#nowMs), sleep: () => Promise.resolve() },
      { monotonic: () => this.#nowMs },
    );
    const options = { store, table: "tweets", writer, emit: () => undefined, clock };
    return { store, log: await openLandingLog(options, signal) };
  }

  async #prepare(worker: Worker): Promise<void> {
    const content = this.#content(worker);
    const prepared = await worker.log.prepare(content, signal);
    if (this.#options.random() < CRASHES) {
      this.#crash(worker);
      return;
    }
    this.#at(STAGING_MS * (0.5 + this.#options.random()), () => this.#commit(worker, prepared));
  }

  async #commit(worker: Worker, prepared: PreparedCommit): Promise<void> {
    const { log, pace } = worker;
    const outcome = await log.commit(prepared, signal);
    pace.committed(outcome.attempts, outcome.kind === "committed");
    if (outcome.kind === "committed") {
      const hour = Math.floor(this.#nowMs / HOUR_MS);
      this.#perHour.set(hour, (this.#perHour.get(hour) ?? 0) + 1);
      if (this.#options.random() < CRASHES) {
        this.#crash(worker);
        return;
      }
      await log.publish(prepared, signal);
    } else {
      this.#lost += 1;
      await log.discard(prepared, signal);
    }
    await log.maintain(signal);
    await this.#startSometimes(log.state.tip);
    this.#at(pace.nextMs(log.state.traffic(this.#nowMs)), () => this.#prepare(worker));
  }

  #crash(worker: Worker): void {
    this.#crashes += 1;
    this.#at(RESTART_MS, async () => {
      // The follower of the first one lives in a process of its own here.
      if (worker.index > 0) worker.log = (await this.#open(`worker ${worker.index}`)).log;
      await this.#prepare(worker);
    });
  }

  /** What a worker has read since its last flush, one file for each hour. */
  #content({ index, log }: Worker): CommitContent {
    const { partitions, workers, random } = this.#options;
    const shift = Math.floor(this.#nowMs / REBALANCE_MS);
    const ranges: LandedRange[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      if ((partition + shift) % workers !== index) continue;
      const { from } = log.state.position(topic, partition);
      const to = this.#producedIn(partition);
      if (to > from)
        ranges.push({
          partition,
          from,
          to,
          rows: Number(to - from),
          dead: 0,
          md5Sum: from * 7_919n,
        });
    }
    const now = new Date(this.#nowMs).toISOString();
    const before = new Date(this.#nowMs - HOUR_MS).toISOString();
    const hours = random() < LATE_FILES ? [now, before] : [now];
    const rows = ranges.reduce((sum, range) => sum + range.rows, 0);
    return {
      advances: [{ ...topic, ranges }],
      columns: { id: "t1", names: ["id", "text"] },
      files: hours.map((hour) => ({
        dt: hour.slice(0, 10),
        hr: hour.slice(11, 13),
        suffix: ".parquet",
        rows,
        local: { localPath: "", bytes: 0, sha256: EMPTY_SHA256 },
      })),
    };
  }

  #producedIn(partition: number): bigint {
    const seconds = (this.#nowMs - START_MS) / 1_000;
    return BigInt(Math.floor(seconds * RECORDS_PER_SECOND * (1 + (partition % 5))));
  }

  async #startSometimes(tip: number): Promise<void> {
    if (tip < this.#starts.dueAt) return;
    this.#starts.dueAt = tip + this.#options.startEvery;
    const { store } = await this.#open("looks only");
    this.#starts.count += 1;
    this.#starts.calls = Math.max(this.#starts.calls, store.counts.calls);
    this.#starts.bytes = Math.max(this.#starts.bytes, store.counts.bytesRead);
  }

  async #follow(follower: SteppedFollower): Promise<void> {
    await follower.step();
    this.#at(this.#options.intervalMs, () => this.#follow(follower));
  }

  async #sweep(): Promise<void> {
    const store = this.#landing.open();
    const clock = {
      now: () => this.#nowMs,
      sleep: () => Promise.resolve(),
      monotonic: () => this.#nowMs,
    };
    await sweepStaging(this.#first.log, { store, clock, emit: () => undefined }, signal);
    this.#at(HOUR_MS, () => this.#sweep());
  }

  #result(): SimulationResult {
    const { state } = this.#first.log;
    let covered = 0;
    let produced = 0;
    for (let partition = 0; partition < this.#options.partitions; partition++) {
      covered += Number(state.position(topic, partition).from);
      produced += Number(this.#producedIn(partition));
    }
    return {
      commits: state.counters.commits,
      void: state.counters.void,
      commitsPerHourMax: Math.max(...this.#perHour.values()),
      folderNames: this.#landing.tree.folderPeak,
      startCalls: this.#starts.calls,
      startBytes: this.#starts.bytes,
      starts: this.#starts.count,
      crashes: this.#crashes,
      lost: this.#lost,
      produced,
      covered,
      followed: this.#catalog.offsets,
    };
  }
}

const EMPTY_SHA256 = createHash("sha256").digest("hex");

/** A follower that takes a look when it is told to. */
class SteppedFollower {
  readonly #follower: Follower;
  readonly #end = new AbortController();
  #idle: PromiseWithResolvers<void> = Promise.withResolvers();
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(
    store: MemoryTableStore,
    log: LandingLog,
    catalog: FollowingCatalog,
    intervalMs: number,
  ) {
    const clock: Clock = Object.assign(
      {
        now: () => 0,
        sleep: () => {
          this.#idle.resolve();
          return new Promise<void>((resolve) => (this.#wake = resolve));
        },
      },
      { monotonic: () => 0 },
    );
    this.#follower = createFollower({
      store,
      log,
      catalog,
      intervalMs,
      clock,
      emit: () => undefined,
    });
  }

  async step(): Promise<void> {
    this.#idle = Promise.withResolvers();
    if (this.#running) this.#wake();
    else this.#running = this.#follower.run(this.#end.signal);
    await Promise.race([this.#idle.promise, this.#running]);
    if (this.#follower.status.reason !== "") throw new Error(this.#follower.status.reason);
  }

  async end(): Promise<void> {
    this.#end.abort();
    this.#wake();
    await this.#running;
  }
}

/** Counts what it is given, and refuses whatever does not come next. */
class CheckingCatalog implements FollowingCatalog {
  readonly name = "checking";
  readonly #next = new Map<number, bigint>();
  #position: Following["from"] | undefined;
  offsets = 0;

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  position(): Promise<Following["from"] | undefined> {
    return Promise.resolve(this.#position);
  }

  follow({ from, to, commits }: Following): Promise<Following["from"]> {
    let last = this.#position?.number ?? 0;
    if (from.number !== last) throw new Error(`followed from ${from.number}, not ${last}`);
    for (const { number, commit } of commits) {
      if (number <= last || number > to) throw new Error(`commit ${number} after ${last}`);
      last = number;
      for (const action of commit.actions) {
        if (action.do === "advance") for (const range of action.ranges) this.#take(range);
      }
    }
    this.#position = { log: from.log, number: to };
    return Promise.resolve(this.#position);
  }

  #take({ partition, from, to }: LandedRange): void {
    const next = this.#next.get(partition) ?? 0n;
    if (from !== next) throw new Error(`partition ${partition} goes on at ${from}, not ${next}`);
    this.#next.set(partition, to);
    this.offsets += Number(to - from);
  }
}

interface SimulatedEvent {
  readonly at: number;
  readonly run: () => Promise<void>;
}

/** Few at any time: a worker has one. */
class EventQueue {
  readonly #events: SimulatedEvent[] = [];

  push(event: SimulatedEvent): void {
    let index = this.#events.length;
    while (index > 0 && (this.#events[index - 1]?.at ?? 0) < event.at) index -= 1;
    this.#events.splice(index, 0, event);
  }

  /** The earliest. */
  pop(): SimulatedEvent | undefined {
    return this.#events.pop();
  }
}
