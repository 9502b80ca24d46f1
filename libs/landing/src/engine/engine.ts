import {
  InvariantError,
  isAbort,
  RateMeter,
  systemClock,
  type MonotonicClock,
} from "@hybridge/core";
import { Flusher, type FlushObserver, type LandedFlush } from "../flush/flusher.ts";
import { LandedRows } from "../lanes/landed-rows.ts";
import { Lanes } from "../lanes/lanes.ts";
import { createPace } from "../log/pace.ts";
import type { TopicKey } from "../log/protocol.ts";
import type { LandingSource } from "../source-port.ts";
import { flushEvent } from "./events.ts";
import { Health } from "./health.ts";
import { Leader } from "./leader.ts";
import type { EngineOptions } from "./options.ts";
import type { EngineStatus } from "./status.ts";

/** Between a stop and the moment when what is not landed yet is given up. */
const STOP_MS = 6_000;
/**
 * Bytes that are taken in before other work of the process gets a turn: the encoder of the flush
 * before asks for its next rows on this thread, and waits for them.
 */
const TURN_BYTES = 131_072;

/**
 * Lands partitions of a topic, those that it is told it has, through a log that decides what counts.
 *
 *     source --> open buffer --> flush: encode, prepare, commit, publish    (see flush/)
 *       ^             one for all partitions
 *       `-- lanes: where each partition is read (see lanes/)
 *
 * It may be wrong about what it has, or late: then the log refuses what it brings, and no harm is done.
 */
export class LandingEngine implements AsyncDisposable {
  readonly #options: EngineOptions;
  readonly #clock: MonotonicClock;
  readonly #health: Health;
  readonly #flusher: Flusher;
  readonly #lanes: Lanes;
  readonly #source: LandingSource;
  readonly #leader: Leader;
  readonly #rows = new LandedRows();
  readonly #rate: RateMeter;
  /** Nothing new begins after it. */
  readonly #stop = new AbortController();
  /** What is under way ends at once after it. */
  readonly #kill = new AbortController();
  readonly #done: Promise<void>;
  #failure: { readonly error: unknown } | undefined;
  #hasPartitions = false;
  #totals = { rows: 0n, files: 0n, bytes: 0n, dead: 0n };

  constructor(options: EngineOptions) {
    const { clock = systemClock, emit } = options;
    this.#options = options;
    this.#clock = clock;
    this.#rate = new RateMeter(5_000, clock);
    this.#health = new Health(emit, clock);
    this.#flusher = this.#openFlusher();
    this.#source = options.openSource(this.#stop.signal);
    this.#lanes = new Lanes({
      ...options,
      ...{ clock, health: this.#health, flusher: this.#flusher, source: this.#source },
      signal: this.#stop.signal,
    });
    const lead = options.lead ?? (() => Promise.resolve());
    this.#leader = new Leader(lead, (error) => this.#fail(error));
    this.#done = this.#run();
    // Whoever awaits `done` hears of it.
    this.#done.catch(() => undefined);
  }

  /** Resolves after a stop; rejects when landing can never go on. Nothing is at work any more then. */
  get done(): Promise<void> {
    return this.#done;
  }

  /** From now on these partitions are this process's. */
  assigned(partitions: readonly number[]): void {
    this.#hasPartitions = true;
    this.#lanes.add(partitions);
    this.#leader.is(this.#lanes.has(0) && !this.#stop.signal.aborted);
  }

  /** These are to be given up: what is under way is settled, the rest is dropped. */
  async revoked(partitions: readonly number[], signal: AbortSignal): Promise<void> {
    const lanes = this.#lanes.take(partitions);
    this.#leader.is(this.#lanes.has(0));
    await this.#flusher.settle(lanes, AbortSignal.any([signal, this.#kill.signal]));
  }

  /** These are somebody else's already, or may be. */
  lost(partitions: readonly number[]): void {
    this.#lanes.take(partitions);
    this.#leader.is(this.#lanes.has(0));
  }

  /** The topic has this identity now. */
  topicIs(topic: TopicKey): void {
    this.#lanes.topicIs(topic);
  }

  /** The catalog shows everything up to a commit. */
  visible(commit: number): void {
    this.#rows.visible(commit);
    for (const lane of this.#lanes.all) lane.seen(commit);
  }

  /** Is there anything of this process's partitions that queries may not see yet? */
  get hasUnseen(): boolean {
    return this.#lanes.all.some((lane) => lane.queryable < lane.landed);
  }

  /** Lands now what has been read. */
  async flush(signal: AbortSignal): Promise<void> {
    await this.#flusher.flush(AbortSignal.any([signal, this.#kill.signal]));
  }

  /** Stops reading partitions until they are resumed, or are another process's. @returns those that it stopped */
  pause(partitions: readonly number[]): readonly number[] {
    return this.#lanes.pause(partitions);
  }

  /** Goes on with paused partitions, and with stopped ones past what stopped them. @returns those */
  resume(partitions: readonly number[]): readonly number[] {
    return this.#lanes.resume(partitions);
  }

  status(): EngineStatus {
    const reason = this.#health.reason();
    const { rows, files, bytes, dead } = this.#totals;
    const nowMs = this.#clock.now();
    const lanes = this.#lanes.all.toSorted((a, b) => a.partition - b.partition);
    return {
      state: this.#state(reason),
      reason,
      partitions: lanes.map((lane) => {
        return { ...lane.status(nowMs), reason: this.#lanes.reasonOf(lane) };
      }),
      landed: rows,
      queryable: this.#rows.seen,
      files,
      bytes,
      deadLetters: dead,
      rate: this.#rate.rate(),
    };
  }

  /** Lands what has been read, if that is soon done, and ends. */
  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("the landing was stopped", "AbortError"));
    const timer = new AbortController();
    void this.#clock.sleep(STOP_MS, timer.signal).then(
      () => this.#kill.abort(new DOMException("the landing took too long to stop", "AbortError")),
      () => undefined,
    );
    await this.#done.finally(() => timer.abort());
  }

  /** Ends at once; what is not in the log is left to whoever lands next. */
  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new DOMException("the landing was ended", "AbortError");
    this.#stop.abort(reason);
    this.#kill.abort(reason);
    await this.#done.catch(() => undefined);
  }

  #openFlusher(): Flusher {
    const { limits, random = Math.random, observe } = this.#options;
    return new Flusher({
      ...this.#options,
      ...limits,
      ...{ clock: this.#clock, health: this.#health },
      pace: createPace({ intervalMs: limits.intervalMs, random }),
      listener: {
        committed: (flush) => this.#committed(flush),
        lost: (lanes) => this.#lanes.restart(lanes),
        overslept: () => this.#lanes.restart(this.#lanes.all),
      },
      observe: observe ?? unobserved,
    });
  }

  #state(reason: string): EngineStatus["state"] {
    if (this.#stop.signal.aborted) return "STOPPING";
    if (reason !== "") return "DEGRADED";
    return this.#hasPartitions ? "RUNNING" : "STARTING";
  }

  async #run(): Promise<void> {
    const stop = this.#stop.signal;
    const kill = this.#kill.signal;
    // From the next turn on: the constructor is still at work.
    await Promise.resolve();
    const parts = [this.#read(stop), this.#lanes.run(kill), this.#flusher.run(stop, kill)];
    const ends = parts.map(async (part) => {
      try {
        await part;
      } catch (error) {
        if (!isAbort(error, stop) && !isAbort(error, kill)) this.#fail(error);
      }
    });
    await Promise.all(ends);
    await this.#leader.end();
    await this.#source[Symbol.asyncDispose]();
    if (this.#failure) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort(error);
    this.#kill.abort(error);
  }

  async #read(stop: AbortSignal): Promise<void> {
    let sinceTurn = 0;
    for await (const result of this.#source) {
      if (stop.aborted) return;
      this.#lanes.accept(result);
      await this.#flusher.room(stop);
      if (result.kind === "batch") sinceTurn += result.bytes;
      if (sinceTurn < TURN_BYTES) continue;
      sinceTurn = 0;
      await new Promise(setImmediate);
    }
    stop.throwIfAborted();
    throw new InvariantError("the source ended by itself");
  }

  #committed({ number, prepared, slices, gaps, rows, dead }: LandedFlush): void {
    for (const slice of slices) slice.lane.committed(number, slice, slice.records);
    for (const gap of gaps) gap.lane.committed(number, gap, 0);
    this.#lanes.committed();
    const event = flushEvent(number, prepared.commit, { rows, dead });
    this.#rows.committed(number, rows);
    this.#rate.add(rows);
    this.#totals.rows += BigInt(rows);
    this.#totals.dead += BigInt(dead);
    this.#totals.files += BigInt(event.fields.files);
    this.#totals.bytes += BigInt(event.fields.bytes);
    this.#options.emit(event);
    const lanes = new Set(slices.map(({ lane }) => lane).filter((lane) => !lane.isOver));
    const offsets = [...lanes].map((lane) => {
      return { partition: lane.partition, offset: lane.landed };
    });
    if (offsets.length > 0) this.#options.onLanded?.(offsets);
  }
}

function unobserved(): FlushObserver {
  return { read: () => undefined, land: (_counts, land) => land() };
}
