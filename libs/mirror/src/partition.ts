import { Backoff, failpoint, RateMeter, retryOf } from "@hybridge/core";
import { FencedError, OffsetOutOfRangeError } from "@hybridge/kafka";
import {
  advanceSequence,
  brokerError,
  errorCode,
  Fencer,
  isForgottenOwner,
  makeCommittedFilter,
  offsetAt,
  stampBatch,
  TopicRecreatedError,
  type Fence,
  type Fetched,
  type ProducedPartition,
  type Subscription,
} from "@hybridge/kafka/raw";
import { mirrorEvents } from "./events.ts";
import type { Route } from "./route.ts";
import { eventOf } from "./failure-event.ts";
import { InFlight, type SentBatch } from "./tenure/in-flight.ts";
import { LagClock } from "./lag-clock.ts";
import { explainMisplaced } from "./tenure/unexpected-offset.ts";
import type { PositionLedger } from "./positions/positions.ts";
import { Lifecycle, type PartitionState } from "./lifecycle.ts";
import { Refusals } from "./tenure/refusals.ts";
import { RestartRequired } from "./tenure/restart.ts";
import type { OutgoingBatch, BatchSource } from "./sending/sender.ts";
import { shape, type Rejected } from "./tenure/shape.ts";
import type { MirrorContext } from "./context.ts";
import { takeOver } from "./tenure/take-over.ts";

/** For what has an end of its own: the requests have their time-outs, the retries their number. */
const UNTIL_DONE = new AbortController().signal;
const RENEWAL = "the ownership is renewed";
/** Fetched and unsent bytes of one partition at which reading pauses, and goes on again. */
const PAUSE_BYTES = 4 << 20;
const RESUME_BYTES = 2 << 20;
const RATE_WINDOW_MS = 5_000;
const BACKOFF_MOST_MS = 5_000;
/** An interruption this long after the last one is a new one. */
const CALM_MS = 30_000;

/**
 * One mirrored partition. It takes the target partition over (fence), finds where the target ends
 * (resume), and then sends batch after batch without waiting. Whatever goes wrong, it forgets what
 * it had in hand and does the same again: nothing is ever sent twice on a guess.
 */
export class PartitionMirror implements BatchSource {
  readonly route: Route;
  readonly rate: RateMeter;
  /** What it failed of. */
  error: unknown;
  records = 0n;
  bytes = 0n;
  deadLetters = 0n;
  sourceEnd = 0n;
  readonly #context: MirrorContext;
  readonly #inFlight: InFlight;
  readonly #refusals = new Refusals();
  readonly #lagClock: LagClock;
  readonly #lifecycle = new Lifecycle();
  readonly #backoff: Backoff;
  /** What the target topic takes in one batch, by its settings and by what it has refused. */
  #bytesMax = 0;
  #positions: PositionLedger | undefined;
  #subscription: Subscription;
  #fencer: Fencer | undefined;
  #owner: Fence | undefined;
  #leader = -1;
  #sequence = 0;
  #expected = 0n;
  /** Counts take-overs: answers to what was sent before the last one no longer matter. */
  #generation = 0;
  #isBusyWithDeadLetter = false;
  #isMisplaced = false;
  #pausedSinceMs: number | undefined;
  /** No more is sent; what is under way is waited for. */
  #isPausing = false;
  /** Ends the mirroring. */
  #interrupt: ((error: unknown) => void) | undefined;
  /** Ends also what comes before it: fencing, comparing, waiting for another try. */
  #stopAttempt: (() => void) | undefined;

  constructor(route: Route, context: MirrorContext) {
    this.route = route;
    this.#context = context;
    const { clock, random } = context;
    this.rate = new RateMeter(RATE_WINDOW_MS, clock);
    this.#lagClock = new LagClock(() => clock.now());
    this.#backoff = new Backoff({ maxMs: BACKOFF_MOST_MS, calmMs: CALM_MS, clock, random });
    this.#pausedSinceMs = context.positions.pausedSince(route);
    this.#inFlight = new InFlight(context.budget);
    this.#subscription = this.#subscribe(0n, undefined);
  }

  /** The next source offset that is not known to be in the target. */
  get sourceOffset(): bigint {
    return this.#inFlight.sourceOffset ?? this.#subscription.nextOffset;
  }

  get targetOffset(): bigint {
    return this.#inFlight.targetOffset ?? this.#expected;
  }

  get state(): PartitionState {
    return this.#lifecycle.state;
  }

  get reason(): string {
    return this.#lifecycle.reason;
  }

  /** Another mirror took it over: it is not ours to pause or to resume. */
  get isFenced(): boolean {
    return this.state === "FAILED" && this.error instanceof FencedError;
  }

  get isPaused(): boolean {
    return this.#pausedSinceMs !== undefined;
  }

  /** Source offsets that are not known to be in the target. */
  get lag(): bigint {
    const lag = this.sourceEnd - this.sourceOffset;
    return lag > 0n ? lag : 0n;
  }

  /** Age of the oldest record that is not in the target; 0 when there is none. See LagClock. */
  get lagMs(): number {
    const { oldestMs } = this.#inFlight;
    return oldestMs === undefined && this.lag === 0n ? 0 : this.#lagClock.ageMs(oldestMs);
  }

  /** True when it is at a standstill and the age of what lags has nothing to be counted from. */
  get lacksAge(): boolean {
    const isStanding = ["PAUSED", "RETRYING", "FAILED"].includes(this.state);
    return isStanding && this.lag > 0n && !this.#lagClock.isKnown;
  }

  get hasMore(): boolean {
    const isOpen = this.state === "MIRRORING" && !this.#isPausing;
    return isOpen && this.#inFlight.next?.kind === "batch";
  }

  translate(sourceOffset: bigint): { targetOffset: bigint; exact: boolean } | undefined {
    return this.#positions?.translate(sourceOffset);
  }

  /** Finds out where the partition stood before this process, so that its lag is known. */
  async locate(signal: AbortSignal): Promise<void> {
    const { source, target, positions } = this.#context;
    const { sourceTopic, targetTopic, partition } = this.route;
    const [from, to] = [source.known(sourceTopic), target.known(targetTopic)];
    if (this.#positions || !from || !to) return;
    const ids = { sourceTopicId: from.id, targetTopicId: to.id };
    const found = positions.of({ sourceTopic, targetTopic, partition, ...ids });
    const { end } = found;
    const generation = this.#generation;
    const next =
      end?.sourceOffset ??
      (await offsetAt(source, { topic: sourceTopic, partition }, "earliest", signal));
    if (generation !== this.#generation || this.state === "MIRRORING") return;
    this.#positions = found;
    this.#expected = end?.targetOffset ?? 0n;
    this.#subscription = this.#subscribe(next, undefined);
  }

  /** Takes note of where the source ends; without an end, of what is known already. */
  observeEnd(end = this.sourceEnd): void {
    // While it is read, an answer to the reader may have overtaken this one.
    if (this.state !== "MIRRORING" || end > this.sourceEnd) this.sourceEnd = end;
    if (this.#positions && this.lag === 0n) this.#lagClock.caughtUp();
  }

  /** The oldest record that is not mirrored has this time. */
  agedBy(timestampMs: number): void {
    this.#lagClock.reached(timestampMs);
  }

  /** Runs until the signal is aborted; never throws. When it cannot go on it waits for `resume`. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.isPaused && !this.isFenced) this.#rest();
      if (this.state === "PAUSED" || this.state === "FAILED") await this.#lifecycle.changed(signal);
      else await this.#attempt(signal);
    }
  }

  /**
   * Stops sending, waits for what is under way, and drops the rest. Rejects when the signal is
   * aborted before; the partition comes to rest all the same.
   */
  async pause(sinceMs: number, signal: AbortSignal): Promise<void> {
    if (this.isFenced) return;
    this.#pausedSinceMs ??= sinceMs;
    if (this.state === "MIRRORING") {
      this.#isPausing = true;
      this.#context.fetcher.remove(this.#subscription);
      this.#endIfDrained();
    } else this.#stopAttempt?.();
    this.#lifecycle.wake();
    const isDone = () => this.state === "PAUSED" || this.isFenced || !this.isPaused;
    await this.#lifecycle.until(isDone, signal);
  }

  /** Takes the partition over again when it is paused or has failed. */
  resume(): void {
    this.#pausedSinceMs = undefined;
    if (this.state === "PAUSED" || this.state === "FAILED") {
      this.error = undefined;
      this.#backoff.reset();
      this.#context.emit(mirrorEvents.partitionResumed(this.route));
      this.#lifecycle.set("FENCING");
    } else this.#lifecycle.wake();
  }

  #rest(): void {
    if (this.state === "PAUSED") return;
    const since = new Date(this.#pausedSinceMs ?? 0).toISOString();
    const before = this.state === "FAILED" ? `; it had failed: ${this.reason}` : "";
    this.#lifecycle.set("PAUSED", `paused by an operator since ${since}${before}`);
    this.#context.emit(mirrorEvents.partitionPaused(this.route, since));
  }

  /** Ends the mirroring when it is to be paused and nothing is under way any more. */
  #endIfDrained(): void {
    if (!this.#isPausing || this.#inFlight.isBusy || this.#isBusyWithDeadLetter) return;
    this.#stopAttempt?.();
  }

  /** Takes over and mirrors, until something goes wrong or it is to be paused. */
  async #attempt(outer: AbortSignal): Promise<void> {
    const stopped = new AbortController();
    const signal = AbortSignal.any([outer, stopped.signal]);
    const broken = new Promise<never>((_, reject) => {
      this.#interrupt = reject;
    });
    broken.catch(() => undefined);
    signal.addEventListener("abort", () => this.#interrupt?.(signal.reason), { once: true });
    this.#stopAttempt = () => stopped.abort();
    try {
      // Until it works again the last failure is worth knowing.
      this.#lifecycle.set("FENCING", this.state === "RETRYING" ? this.reason : "");
      await this.#context.takeOvers.run(() => this.#takeOver(signal), signal);
      this.#lifecycle.set("MIRRORING");
      this.#context.fetcher.add(this.#subscription);
      // Not all at once: each takes the partition over again.
      const { clock, random, renewEveryMs } = this.#context;
      const renew = () => this.#interrupt?.(new RestartRequired(new Error(RENEWAL)));
      clock.sleep(renewEveryMs * (0.75 + random() / 4), signal).then(renew, () => undefined);
      await broken;
    } catch (error) {
      this.#drop();
      if (signal.aborted || this.#giveUp(error)) return;
      if (!this.isPaused) await this.#backOff(error, signal);
    } finally {
      this.#isPausing = false;
      // Lets go of the outer signal.
      stopped.abort();
    }
  }

  /** Takes what was fetched: drops what is not committed, and puts the rest in line. */
  accept(fetched: Fetched): void {
    const { subscription, batches, answer, frame } = fetched;
    if (subscription !== this.#subscription) return;
    this.sourceEnd = answer.lastStableOffset;
    if (this.state !== "MIRRORING" || this.#isPausing) return;
    const isCommitted = makeCommittedFilter(answer.aborted);
    try {
      for (const batch of batches) {
        if (!isCommitted(batch)) continue;
        const timestampMs = Number(batch.maxTimestamp);
        const parts = shape(batch, {
          from: fetched.from,
          bytesMax: this.#bytesMax,
          refused: this.#refusals.records,
          suspect: this.#refusals.suspect,
        });
        for (const part of parts) this.#inFlight.queue.push({ part, frame, timestampMs });
      }
    } catch (error) {
      this.#interrupt?.(error);
      return;
    }
    if (this.#inFlight.queue.bytes > PAUSE_BYTES) subscription.paused = true;
    this.observeEnd();
    this.#goOn();
  }

  /** The fetcher no longer reads this partition. */
  sourceFailed(subscription: Subscription, error: Error): void {
    if (subscription !== this.#subscription) return;
    const isTruncation =
      error instanceof OffsetOutOfRangeError && error.position < error.startOffset;
    if (isTruncation && this.#context.onTruncation === "continue") {
      this.#context.emit(
        mirrorEvents.sourceTruncated(this.route, error.position, error.startOffset),
      );
      subscription.nextOffset = error.startOffset;
      this.#context.fetcher.add(subscription);
      return;
    }
    const isToFollow =
      error instanceof TopicRecreatedError && this.#context.onRecreation === "continue";
    this.#interrupt?.(isToFollow ? new RestartRequired(error) : error);
  }

  nextBatch(roundTripMs: number): OutgoingBatch | undefined {
    if (!this.hasMore || !this.#owner) return undefined;
    const { merge } = this.#context;
    const sent = this.#inFlight.send(merge, this.#bytesMax, roundTripMs, this.#expected);
    const { producerId, producerEpoch } = this.#owner;
    stampBatch(sent.bytes, { producerId, producerEpoch, baseSequence: this.#sequence });
    this.#sequence = advanceSequence(this.#sequence, sent.count);
    this.#expected += BigInt(sent.count);
    this.#unpause();
    const generation = this.#generation;
    return {
      topic: this.route.targetTopic,
      partition: this.route.partition,
      batch: sent.bytes,
      answered: (answer) => {
        if (generation === this.#generation) this.#answered(sent, answer);
      },
      lost: (error) => {
        if (generation === this.#generation) this.#interrupt?.(error);
      },
    };
  }

  lost(error: Error): void {
    this.#interrupt?.(error);
  }

  #answered(sent: SentBatch, answer: ProducedPartition): void {
    if (answer.error !== errorCode.none) {
      this.#refuse(sent, answer);
      return;
    }
    if (answer.baseOffset !== sent.expected) {
      void this.#explain(sent.expected, answer.baseOffset);
      return;
    }
    failpoint("mirror.produce.acked");
    let target = sent.expected;
    let count = 0n;
    for (const part of sent.parts) {
      for (const run of part.runs) {
        this.#positions?.add(run.sourceOffset, target, BigInt(run.count), part.epoch);
        target += BigInt(run.count);
        count += BigInt(run.count);
      }
    }
    this.#inFlight.acknowledged();
    this.#backoff.reset();
    this.records += count;
    this.bytes += BigInt(sent.bytes.length);
    this.rate.add(Number(count));
    this.#lagClock.reached(sent.timestampMs);
    this.observeEnd();
    if (this.#inFlight.next?.kind === "rejected") this.#goOn();
    this.#endIfDrained();
  }

  /** A batch does not stand where it should: nothing that follows is believed either. */
  async #explain(expected: bigint, found: bigint): Promise<void> {
    if (this.#isMisplaced) return;
    this.#isMisplaced = true;
    const generation = this.#generation;
    const { target } = this.#context;
    const error = await explainMisplaced(target, this.route, expected, found, UNTIL_DONE).catch(
      (failure: unknown) => failure,
    );
    this.#isMisplaced = false;
    if (generation !== this.#generation) return;
    this.#interrupt?.(error ?? new RestartRequired(new Error("a marker stands in between")));
  }

  /** Sends what is next, or puts it aside when all before it is settled. */
  #goOn(): void {
    if (this.hasMore) this.#context.sender.ready(this.#leader, this);
    const { next, isBusy } = this.#inFlight;
    if (next?.kind !== "rejected" || isBusy) return;
    if (this.#isBusyWithDeadLetter || this.#isPausing) return;
    void this.#deadLetter(next, this.#generation);
  }

  /** The target refused a batch: the next attempt cuts it, or finds the record that is to blame. */
  #refuse(sent: SentBatch, answer: ProducedPartition): void {
    const { targetTopic, partition } = this.route;
    const error = brokerError(
      `append ${sent.bytes.length} bytes to ${targetTopic}-${partition}`,
      answer.error,
      answer.message,
      { operation: "Write", name: targetTopic },
    );
    const canBeCut = this.#refusals.learn(sent, answer);
    this.#interrupt?.(canBeCut ? new RestartRequired(error) : error);
  }

  async #deadLetter(rejected: Rejected, generation: number): Promise<void> {
    this.#isBusyWithDeadLetter = true;
    const { offset, count, reason } = rejected;
    const { deadLetters, positions, emit } = this.#context;
    try {
      await deadLetters.put(this.route, rejected, UNTIL_DONE);
      this.#positions?.addDeadLetter(offset, count);
      // Before anything behind it goes: a restart has to know that it is not in the target.
      await positions.flush(UNTIL_DONE);
      if (generation !== this.#generation) return;
      emit(mirrorEvents.deadLetter(this.route, offset, count, reason));
      this.deadLetters += 1n;
      this.#refusals.records.delete(offset);
      this.#inFlight.deadLettered();
    } catch (error) {
      if (generation === this.#generation) this.#interrupt?.(error);
      return;
    } finally {
      this.#isBusyWithDeadLetter = false;
      this.#endIfDrained();
    }
    this.#unpause();
    this.#goOn();
  }

  /** Fences, then finds where to go on. */
  async #takeOver(signal: AbortSignal): Promise<void> {
    const { target, mirrorId } = this.#context;
    const { sourceTopic, targetTopic, partition } = this.route;
    this.#fencer ??= new Fencer(target, {
      transactionalId: `${mirrorId}/${sourceTopic}/${partition}`,
      topic: targetTopic,
      partitions: [partition],
    });
    this.#owner = undefined;
    const onFenced = () => this.#lifecycle.set("RESUMING", this.reason);
    const taken = await takeOver(this.#context, this.route, this.#fencer, onFenced, signal);
    this.#positions = taken.positions;
    this.#bytesMax = this.#refusals.bytesMax(taken.bytesMax);
    this.#leader = taken.leader;
    this.#owner = taken.owner;
    this.#sequence = 0;
    this.#expected = taken.targetEnd;
    this.#subscription = this.#subscribe(taken.next, taken.sourceTopicId, taken.epoch);
    failpoint("mirror.resumed");
    const { next, targetEnd, owner } = taken;
    this.#context.emit(
      mirrorEvents.partitionStarted(this.route, next, targetEnd, owner.producerEpoch),
    );
  }

  #subscribe(nextOffset: bigint, topicId: string | undefined, lastEpoch = -1): Subscription {
    const { sourceTopic: topic, partition } = this.route;
    return { topic, partition, nextOffset, lastEpoch, topicId, paused: false };
  }

  #unpause(): void {
    if (!this.#subscription.paused || this.#inFlight.queue.bytes > RESUME_BYTES) return;
    this.#subscription.paused = false;
    this.#context.fetcher.wake();
  }

  #drop(): void {
    this.#generation += 1;
    this.#context.fetcher.remove(this.#subscription);
    // What is fetched for it from now on is not ours any more.
    this.#subscription = this.#subscribe(this.sourceOffset, this.#subscription.topicId);
    this.#inFlight.drop();
  }

  #giveUp(error: unknown): boolean {
    if (error instanceof RestartRequired || retryOf(error) !== "never") return false;
    if (isForgottenOwner(error)) return false;
    this.error = error;
    const isFenced = error instanceof FencedError;
    this.#lifecycle.set(
      "FAILED",
      isFenced ? "another mirror took this partition over" : messageOf(error),
    );
    const named = eventOf(this.route, error);
    if (named) this.#context.emit(named);
    this.#context.emit(mirrorEvents.partitionFailed(this.route, error));
    return true;
  }

  async #backOff(error: unknown, signal: AbortSignal): Promise<void> {
    if (error instanceof RestartRequired) return;
    this.#lifecycle.set("RETRYING", messageOf(error));
    const waitMs = this.#backoff.failed();
    if (this.#backoff.failures === 1)
      this.#context.emit(mirrorEvents.partitionInterrupted(this.route, error));
    await this.#context.clock.sleep(waitMs, signal).catch(() => undefined);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
