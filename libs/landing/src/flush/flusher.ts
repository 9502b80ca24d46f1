import { failpoint, Notifier, type MonotonicClock, type Emit } from "@hybridge/core";
import type { FlushDeadLetter, FlushEncoder, FlushRecord } from "../encoder-port.ts";
import type { Health } from "../engine/health.ts";
import type { Lane } from "../lanes/lane.ts";
import type { LandingLog, PreparedCommit } from "../log/landing-log.ts";
import type { Pace } from "../log/pace.ts";
import type { LocalFile } from "../store-port.ts";
import { Flight } from "./flight.ts";
import { FlushBuffer, type Gap, type Slice } from "./flush-buffer.ts";

/** A flush that is in the log. */
export interface LandedFlush {
  readonly number: number;
  readonly prepared: PreparedCommit;
  readonly slices: readonly Slice[];
  readonly gaps: readonly Gap[];
  readonly rows: number;
  readonly dead: number;
}

/** What a flush does to the partitions. */
export interface FlushListener {
  committed(flush: LandedFlush): void;
  /** Others have landed offsets of these lanes: they look for their next hole. */
  lost(lanes: readonly Lane[]): void;
  /** The process was stopped for so long that nothing which it has in memory can be trusted. */
  overslept(): void;
}

export interface FlusherOptions {
  readonly log: LandingLog;
  readonly encoder: FlushEncoder;
  readonly pace: Pace;
  readonly bufferBytesMax: number;
  readonly recordsMax: number;
  readonly health: Health;
  readonly clock: MonotonicClock;
  readonly emit: Emit;
  readonly listener: FlushListener;
  /** Writes dead letters to a file on local disk, gzipped, a JSON object a line. */
  readonly writeDeadLetters: WriteDeadLetters;
  readonly observe: () => FlushObserver;
}

/** Watches one flush. */
export interface FlushObserver {
  /** These records are part of it. */
  read(records: readonly FlushRecord[]): void;
  /** Runs the flush, once it is no longer filled. */
  land<T>(counts: { readonly records: number }, land: () => Promise<T>): Promise<T>;
}

export type WriteDeadLetters = (
  letters: readonly FlushDeadLetter[],
  signal: AbortSignal,
) => Promise<LocalFile & AsyncDisposable>;

/**
 * Flushes that are under way at once: one is encoded, the others wait for the store, which takes a
 * second for a flush whatever its size (HDFS closes two files one after the other).
 */
const UNDER_WAY_MAX = 4;

/**
 * Lands what the open buffer holds, while the next one fills:
 *
 *     encode           one at a time; its buffer is free afterwards
 *     draft, uploads   several at once
 *     commit, publish  in their order; publishing may lag behind by one
 */
export class Flusher {
  readonly #options: FlusherOptions;
  readonly #changed = new Notifier();
  #open: FlushBuffer;
  #dueAfterMs: number | undefined;
  /** It is not decided yet what becomes of their records; publishing is not part of it. The oldest first. */
  readonly #underWay: Flight[] = [];
  #lastDecided: Promise<void> = Promise.resolve();
  #publishing: Promise<void> = Promise.resolve();
  /** Aborted by a flush that can never be landed. */
  readonly #broken = new AbortController();
  #isRequested = false;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#open = this.#newBuffer();
  }

  get open(): FlushBuffer {
    return this.#open;
  }

  get isFull(): boolean {
    const { bufferBytesMax, recordsMax } = this.#options;
    return this.#open.bytes >= bufferBytesMax || this.#open.records >= recordsMax;
  }

  /** The open buffer has changed: it may be time to flush it. */
  touched(): void {
    const { log, pace, clock } = this.#options;
    if (this.#open.openedAtMs === undefined) return;
    if (this.#dueAfterMs === undefined) {
      this.#dueAfterMs = pace.nextMs(log.state.traffic(clock.now()));
      this.#changed.notify();
    } else if (this.isFull) this.#changed.notify();
  }

  /** Waits while the open buffer is full. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.isFull && !signal.aborted) await this.#changed.wait(signal);
  }

  /** Flushes until `stop` and then once more, if there is anything; `kill` ends it at once. */
  async run(stop: AbortSignal, kill: AbortSignal): Promise<void> {
    const broken = this.#broken.signal;
    const until = AbortSignal.any([kill, broken]);
    const noMore = AbortSignal.any([stop, broken]);
    try {
      for (;;) {
        await this.#untilDue(noMore);
        const isLast = stop.aborted;
        await this.#untilRoomForOne(until);
        until.throwIfAborted();
        await this.#flush(until);
        if (isLast) break;
      }
    } finally {
      await this.#lastDecided.catch(() => undefined);
      await this.#publishing.catch(() => undefined);
    }
    await Promise.all([this.#lastDecided, this.#publishing]);
  }

  /** Lands what has been read without waiting for its time. */
  soon(): void {
    this.#isRequested = true;
    this.#changed.notify();
  }

  /** Lands now what has been read. Resolves when it is decided what became of it. */
  async flush(signal: AbortSignal): Promise<void> {
    const wanted = this.#open;
    this.soon();
    while (this.#open === wanted && wanted.openedAtMs !== undefined && !signal.aborted) {
      await this.#changed.wait(signal);
    }
    const last = this.#underWay.at(-1);
    while (last && this.#underWay.includes(last) && !signal.aborted) {
      await this.#changed.wait(signal);
    }
    signal.throwIfAborted();
  }

  /** Waits until no flush under way has records of these partitions, or the signal. */
  async settle(lanes: readonly Lane[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const underWay = new Set(this.#underWay.flatMap((each) => each.lanes.map(keyOf)));
      if (!lanes.some((lane) => underWay.has(keyOf(lane)))) return;
      await this.#changed.wait(signal);
    }
  }

  drop(lanes: readonly Lane[]): void {
    for (const lane of lanes) this.#open.drop(lane);
  }

  async #untilDue(stop: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!stop.aborted) {
      const { openedAtMs } = this.#open;
      if (openedAtMs === undefined) {
        this.#isRequested = false;
        await this.#changed.wait(stop);
        continue;
      }
      const waitMs = openedAtMs + (this.#dueAfterMs ?? 0) - clock.monotonic();
      if (this.isFull || this.#isRequested || waitMs <= 0) return;
      await this.#sleepOrChange(waitMs, stop);
    }
  }

  async #sleepOrChange(ms: number, stop: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const signal = AbortSignal.any([stop, woken.signal]);
    const sleep = this.#options.clock.sleep(ms, signal).catch(() => undefined);
    await Promise.race([this.#changed.wait(signal), sleep]);
    woken.abort();
  }

  /** One that holds dead letters in memory is like a buffer: nothing is encoded before it is decided. */
  async #untilRoomForOne(until: AbortSignal): Promise<void> {
    const isFull = () =>
      this.#underWay.length >= UNDER_WAY_MAX || this.#underWay.some((each) => each.holdsLetters);
    while (isFull() && !until.aborted) await this.#changed.wait(until);
  }

  /** Takes the open buffer. Resolves when it is encoded and free again. */
  async #flush(until: AbortSignal): Promise<void> {
    const buffer = this.#open;
    if (buffer.openedAtMs === undefined) return;
    this.#open = this.#newBuffer();
    this.#dueAfterMs = undefined;
    this.#isRequested = false;
    buffer.seal();
    const flight = new Flight(buffer, this.#options);
    const before = this.#lastDecided;
    const isBehind = this.#underWay.push(flight) > 1;
    this.#changed.notify();
    const encoded = Promise.withResolvers<undefined>();
    const decided = buffer.observer.land({ records: buffer.records }, async () => {
      await using _files = flight;
      await flight.encode(until);
      if (isBehind) failpoint("landing.after-encode-behind");
      encoded.resolve(undefined);
      await this.#land(flight, before, until);
    });
    this.#lastDecided = this.#whenDecided(flight, decided);
    this.#lastDecided.catch(() => undefined);
    await Promise.race([encoded.promise, this.#lastDecided]);
  }

  async #whenDecided(flight: Flight, decided: Promise<void>): Promise<void> {
    try {
      await decided;
    } catch (error) {
      this.#broken.abort(error);
      throw error;
    } finally {
      this.#underWay.splice(this.#underWay.indexOf(flight), 1);
      this.#changed.notify();
    }
  }

  /** Stages a flush and, when those before it are decided, commits what is left of it. */
  async #land(flight: Flight, before: Promise<void>, until: AbortSignal): Promise<void> {
    await Promise.all([flight.stage(until), before]);
    const { listener } = this.#options;
    for (;;) {
      const outcome = await flight.commit(until);
      if (outcome.kind === "empty") return;
      if (outcome.kind === "committed") {
        await this.#committed(outcome.flush, until);
        return;
      }
      if (outcome.kind === "asleep") {
        for (const each of this.#underWay) this.#dropFrom(each, each.lanes);
        listener.overslept();
        return;
      }
      // What comes behind the loss has a hole before it.
      for (const each of this.#underWay) this.#dropFrom(each, outcome.lanes);
      listener.lost(outcome.lanes);
    }
  }

  #dropFrom(flight: Flight, lanes: readonly Lane[]): void {
    for (const lane of lanes) flight.drop(lane);
  }

  async #committed(flush: LandedFlush, until: AbortSignal): Promise<void> {
    failpoint("landing.after-commit");
    this.#options.listener.committed(flush);
    // At most one publication lags behind, so that a store which only takes commits is noticed.
    await this.#publishing;
    this.#publishing = this.#publish(flush, until);
    this.#publishing.catch(() => undefined);
  }

  async #publish({ prepared }: LandedFlush, until: AbortSignal): Promise<void> {
    const { log, health } = this.#options;
    await health.persist("store", () => log.publish(prepared, until), until);
    failpoint("landing.after-publish");
    await health.persist("store", () => log.maintain(until), until);
  }

  #newBuffer(): FlushBuffer {
    const { encoder, observe, clock } = this.#options;
    return new FlushBuffer(encoder.open(), observe(), clock);
  }
}

/** Of a partition: one that was taken away and came back is another lane. */
function keyOf({ topic, partition }: Lane): string {
  return `${topic.topicId} ${partition}`;
}
