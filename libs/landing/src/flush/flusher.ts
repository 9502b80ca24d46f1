import {
  describeError,
  failpoint,
  InvariantError,
  isAbort,
  Notifier,
  type MonotonicClock,
  type Emit,
} from "@hybridge/core";
import type { FlushDeadLetter, FlushEncoder, FlushRecord } from "../encoder-port.ts";
import type { Health } from "../engine/health.ts";
import type { Lane } from "../lanes/lane.ts";
import type { PartitionRange } from "../log/coverage.ts";
import type { CommitOutcome, LandingLog, PreparedCommit } from "../log/landing-log.ts";
import type { Pace } from "../log/pace.ts";
import type { LocalFile } from "../store-port.ts";
import { contentOf, countsOf } from "./content.ts";
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
 * Lands what the open buffer holds, one flush at a time, while the next buffer fills:
 * encode, prepare (draft and upload), commit, publish. The publishing of one flush may overlap with
 * the next one.
 */
export class Flusher {
  readonly #options: FlusherOptions;
  readonly #changed = new Notifier();
  #open: FlushBuffer;
  #dueAfterMs: number | undefined;
  /** Under way: it is not decided yet what becomes of its records; publishing is not part of it. */
  #flight: FlushBuffer | undefined;
  #publishing: Promise<void> = Promise.resolve();
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
    for (;;) {
      await this.#untilDue(stop);
      await this.#flush(kill);
      if (stop.aborted) break;
    }
    await this.#publishing;
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
    await this.#decided(signal);
    signal.throwIfAborted();
  }

  /** Waits until no flush under way has records of these lanes, or the signal. */
  async settle(lanes: readonly Lane[], signal: AbortSignal): Promise<void> {
    const flight = this.#flight;
    if (flight && lanes.some((lane) => flight.has(lane))) await this.#decided(signal);
  }

  drop(lanes: readonly Lane[]): void {
    for (const lane of lanes) this.#open.drop(lane);
  }

  async #decided(signal: AbortSignal): Promise<void> {
    const flight = this.#flight;
    while (flight && this.#flight === flight && !signal.aborted) await this.#changed.wait(signal);
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

  /** Takes the open buffer and lands it. */
  async #flush(kill: AbortSignal): Promise<void> {
    const buffer = this.#open;
    if (buffer.openedAtMs === undefined) return;
    this.#open = this.#newBuffer();
    this.#dueAfterMs = undefined;
    this.#isRequested = false;
    buffer.seal();
    this.#flight = buffer;
    this.#changed.notify();
    try {
      await buffer.observer.land({ records: buffer.records }, async () => {
        try {
          await this.#land(buffer, kill);
        } finally {
          await buffer.encoder[Symbol.asyncDispose]();
        }
      });
    } finally {
      this.#flight = undefined;
      this.#changed.notify();
    }
  }

  async #land(buffer: FlushBuffer, kill: AbortSignal): Promise<void> {
    const { health, encoder, clock, writeDeadLetters } = this.#options;
    const landedAtMs = clock.now();
    while (buffer.isWorthIt) {
      const [slices, gaps] = [buffer.slices(), buffer.gaps()];
      const request = { landedAtMs, without: buffer.without(), signal: kill };
      const encode = () => buffer.encoder.encode(request);
      await using encoded = await health.persist("encoder", encode, kill);
      const { deadLetters } = encoded;
      const write = () => writeDeadLetters(deadLetters, kill);
      const hasDead = deadLetters.length > 0;
      await using dead = hasDead ? await health.persist("encoder", write, kill) : undefined;
      failpoint("landing.after-encode");
      const content = contentOf({ slices, gaps, encoded, dead, columns: encoder.columns });
      const { prepared, outcome } = await this.#commit(content, kill);
      if (outcome.kind === "committed") {
        await this.#committed({ ...countsOf(encoded), slices, gaps, prepared, ...outcome }, kill);
        return;
      }
      await this.#discard(prepared, kill);
      if (outcome.kind === "asleep") {
        this.#options.listener.overslept();
        return;
      }
      const lost = lanesOf(outcome.ranges, slices, gaps);
      if (lost.length === 0) throw new InvariantError("a commit was refused for nobody's ranges");
      for (const lane of lost) buffer.drop(lane);
      this.#options.listener.lost(lost);
    }
  }

  /** Stages and commits, again and again while only a sweep is in the way. */
  async #commit(
    content: Parameters<LandingLog["prepare"]>[0],
    kill: AbortSignal,
  ): Promise<{
    readonly prepared: PreparedCommit;
    readonly outcome: Exclude<CommitOutcome, { kind: "swept" } | { kind: "refused" }>;
  }> {
    const { log, health, pace } = this.#options;
    for (;;) {
      const prepared = await health.persist("store", () => log.prepare(content, kill), kill);
      failpoint("landing.before-commit");
      const outcome = await health.persist("store", () => log.commit(prepared, kill), kill);
      pace.committed(outcome.attempts, outcome.kind === "committed");
      if (outcome.kind === "refused") throw new InvariantError(`a flush: ${outcome.reason}`);
      if (outcome.kind !== "swept") return { prepared, outcome };
      await this.#discard(prepared, kill);
    }
  }

  async #committed(flush: LandedFlush, kill: AbortSignal): Promise<void> {
    failpoint("landing.after-commit");
    this.#options.listener.committed(flush);
    // At most one publication lags behind, so that a store which only takes commits is noticed.
    await this.#publishing;
    this.#publishing = this.#publish(flush, kill);
    this.#publishing.catch(() => undefined);
  }

  async #publish({ prepared }: LandedFlush, kill: AbortSignal): Promise<void> {
    const { log, health } = this.#options;
    await health.persist("store", () => log.publish(prepared, kill), kill);
    failpoint("landing.after-publish");
    await health.persist("store", () => log.maintain(kill), kill);
  }

  /** What is not discarded a sweeper removes. */
  async #discard(prepared: PreparedCommit, kill: AbortSignal): Promise<void> {
    try {
      await this.#options.log.discard(prepared, kill);
    } catch (error) {
      if (isAbort(error, kill)) throw error;
      const message = `a draft was not removed, and is left to the sweeper: ${describeError(error)}`;
      this.#options.emit({ name: "landing.draft_left", level: "debug", message, error });
    }
  }

  #newBuffer(): FlushBuffer {
    const { encoder, observe, clock } = this.#options;
    return new FlushBuffer(encoder.open(), observe(), clock);
  }
}

function lanesOf(
  ranges: readonly PartitionRange[],
  slices: readonly Slice[],
  gaps: readonly Gap[],
): readonly Lane[] {
  const key = (topicId: string, partition: number) => `${topicId} ${partition}`;
  const lost = new Set(ranges.map(({ topicId, partition }) => key(topicId, partition)));
  const lanes = new Set([...slices, ...gaps].map(({ lane }) => lane));
  return [...lanes].filter((lane) => lost.has(key(lane.topic.topicId, lane.partition)));
}
