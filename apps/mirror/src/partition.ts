import { failpoint, RateMeter, retryOf, systemClock } from "@hybridge/core";
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
import { mirrorEvents, type Route } from "./events.ts";
import { eventOf } from "./failures.ts";
import { InHand, type Sent } from "./in-hand.ts";
import { LagClock } from "./lag.ts";
import { explainMisplaced } from "./misplaced.ts";
import { Pace } from "./pace.ts";
import type { PartitionPositions } from "./positions.ts";
import { Phase, type PartitionState } from "./phase.ts";
import { Refusals } from "./refusals.ts";
import type { Shipment, Shipper } from "./sender.ts";
import { shape, type Rejected } from "./shape.ts";
import type { Shared } from "./shared.ts";
import { takeOver } from "./take-over.ts";

/** For what has an end of its own: the requests have their time-outs, the retries their number. */
const UNTIL_DONE = new AbortController().signal;
const RENEWAL = "the ownership is renewed";
/** Fetched and unsent bytes of one partition at which reading pauses, and goes on again. */
const PAUSE_BYTES = 4 << 20;
const RESUME_BYTES = 2 << 20;

/**
 * One mirrored partition. It takes the target partition over (fence), finds where the target ends
 * (resume), and then sends batch after batch without waiting. Whatever goes wrong, it forgets what
 * it had in hand and does the same again: nothing is ever sent twice on a guess.
 */
export class PartitionMirror implements Shipper {
  readonly route: Route;
  readonly rate = new RateMeter();
  /** What it failed of. */
  error: unknown;
  records = 0n;
  bytes = 0n;
  deadLetters = 0n;
  sourceEnd = 0n;
  readonly #shared: Shared;
  readonly #inHand: InHand;
  readonly #refusals = new Refusals();
  readonly #lagClock = new LagClock();
  readonly #phase = new Phase();
  readonly #pace = new Pace();
  /** What the target topic takes in one batch, by its settings and by what it has refused. */
  #bytesMax = 0;
  #positions: PartitionPositions | undefined;
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

  constructor(route: Route, shared: Shared) {
    this.route = route;
    this.#shared = shared;
    this.#pausedSinceMs = shared.positions.pausedSince(route);
    this.#inHand = new InHand(shared.budget);
    this.#subscription = this.#subscribe(0n, undefined);
  }

  /** The next source offset that is not known to be in the target. */
  get sourceOffset(): bigint {
    return this.#inHand.sourceOffset ?? this.#subscription.nextOffset;
  }

  get targetOffset(): bigint {
    return this.#inHand.targetOffset ?? this.#expected;
  }

  get state(): PartitionState {
    return this.#phase.state;
  }

  get reason(): string {
    return this.#phase.reason;
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
    const { oldestMs } = this.#inHand;
    return oldestMs === undefined && this.lag === 0n ? 0 : this.#lagClock.ageMs(oldestMs);
  }

  /** True when it is at a standstill and the age of what lags has nothing to be counted from. */
  get lacksAge(): boolean {
    const isStanding = ["PAUSED", "RETRYING", "FAILED"].includes(this.state);
    return isStanding && this.lag > 0n && !this.#lagClock.isKnown;
  }

  get hasMore(): boolean {
    const isOpen = this.state === "MIRRORING" && !this.#isPausing;
    return isOpen && this.#inHand.next?.kind === "batch";
  }

  translate(sourceOffset: bigint): { targetOffset: bigint; exact: boolean } | undefined {
    return this.#positions?.translate(sourceOffset);
  }

  /** Finds out where the partition stood before this process, so that its lag is known. */
  async locate(signal: AbortSignal): Promise<void> {
    const { source, target, positions } = this.#shared;
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
  noteEnd(end = this.sourceEnd): void {
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
      if (this.state === "PAUSED" || this.state === "FAILED") await this.#phase.changed(signal);
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
      this.#shared.fetcher.remove(this.#subscription);
      this.#settle();
    } else this.#stopAttempt?.();
    this.#phase.wake();
    const isDone = () => this.state === "PAUSED" || this.isFenced || !this.isPaused;
    await this.#phase.until(isDone, signal);
  }

  /** Takes the partition over again when it is paused or has failed. */
  resume(): void {
    this.#pausedSinceMs = undefined;
    if (this.state === "PAUSED" || this.state === "FAILED") {
      this.error = undefined;
      this.#pace.reset();
      this.#shared.emit(mirrorEvents.partitionResumed(this.route));
      this.#phase.set("FENCING");
    } else this.#phase.wake();
  }

  #rest(): void {
    if (this.state === "PAUSED") return;
    const since = new Date(this.#pausedSinceMs ?? 0).toISOString();
    const before = this.state === "FAILED" ? `; it had failed: ${this.reason}` : "";
    this.#phase.set("PAUSED", `paused by an operator since ${since}${before}`);
    this.#shared.emit(mirrorEvents.partitionPaused(this.route, since));
  }

  /** Ends the mirroring when it is to be paused and nothing is under way any more. */
  #settle(): void {
    if (!this.#isPausing || this.#inHand.isUnderWay || this.#isBusyWithDeadLetter) return;
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
    let renewal: NodeJS.Timeout | undefined;
    try {
      // Until it works again the last trouble is worth knowing.
      this.#phase.set("FENCING", this.state === "RETRYING" ? this.reason : "");
      await this.#shared.turn(() => this.#takeOver(signal), signal);
      this.#phase.set("MIRRORING");
      this.#shared.fetcher.add(this.#subscription);
      // Not all at once: each takes the partition over again.
      const renewMs = this.#shared.renewEveryMs * (0.75 + Math.random() / 4);
      renewal = setTimeout(() => this.#interrupt?.(new BeginAgain(new Error(RENEWAL))), renewMs);
      await broken;
    } catch (error) {
      this.#drop();
      if (signal.aborted || this.#giveUp(error)) return;
      if (!this.isPaused) await this.#backOff(error, signal);
    } finally {
      clearTimeout(renewal);
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
        for (const part of parts) this.#inHand.line.push({ part, frame, timestampMs });
      }
    } catch (error) {
      this.#interrupt?.(error);
      return;
    }
    if (this.#inHand.line.bytes > PAUSE_BYTES) subscription.paused = true;
    this.noteEnd();
    this.#goOn();
  }

  /** The fetcher no longer reads this partition. */
  sourceFailed(subscription: Subscription, error: Error): void {
    if (subscription !== this.#subscription) return;
    const isTruncation =
      error instanceof OffsetOutOfRangeError && error.position < error.startOffset;
    if (isTruncation && this.#shared.onTruncation === "continue") {
      this.#shared.emit(
        mirrorEvents.sourceTruncated(this.route, error.position, error.startOffset),
      );
      subscription.nextOffset = error.startOffset;
      this.#shared.fetcher.add(subscription);
      return;
    }
    const isToFollow =
      error instanceof TopicRecreatedError && this.#shared.onRecreation === "continue";
    this.#interrupt?.(isToFollow ? new BeginAgain(error) : error);
  }

  ship(roundTripMs: number): Shipment | undefined {
    if (!this.hasMore || !this.#owner) return undefined;
    const { merge } = this.#shared;
    const sent = this.#inHand.send(merge, this.#bytesMax, roundTripMs, this.#expected);
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

  #answered(sent: Sent, answer: ProducedPartition): void {
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
    this.#inHand.acknowledged();
    this.#pace.reset();
    this.records += count;
    this.bytes += BigInt(sent.bytes.length);
    this.rate.add(Number(count));
    this.#lagClock.reached(sent.timestampMs);
    this.noteEnd();
    if (this.#inHand.next?.kind === "rejected") this.#goOn();
    this.#settle();
  }

  /** A batch does not stand where it should: nothing that follows is believed either. */
  async #explain(expected: bigint, found: bigint): Promise<void> {
    if (this.#isMisplaced) return;
    this.#isMisplaced = true;
    const generation = this.#generation;
    const { target } = this.#shared;
    const error = await explainMisplaced(target, this.route, expected, found, UNTIL_DONE).catch(
      (failure: unknown) => failure,
    );
    this.#isMisplaced = false;
    if (generation !== this.#generation) return;
    this.#interrupt?.(error ?? new BeginAgain(new Error("a marker stands in between")));
  }

  /** Sends what is next, or puts it aside when all before it is settled. */
  #goOn(): void {
    if (this.hasMore) this.#shared.sender.ready(this.#leader, this);
    const { next, isUnderWay } = this.#inHand;
    if (next?.kind !== "rejected" || isUnderWay) return;
    if (this.#isBusyWithDeadLetter || this.#isPausing) return;
    void this.#putAside(next, this.#generation);
  }

  /** The target refused a batch: the next attempt cuts it, or finds the record that is to blame. */
  #refuse(sent: Sent, answer: ProducedPartition): void {
    const { targetTopic, partition } = this.route;
    const error = brokerError(
      `append ${sent.bytes.length} bytes to ${targetTopic}-${partition}`,
      answer.error,
      answer.message,
      { operation: "Write", name: targetTopic },
    );
    const canBeCut = this.#refusals.learn(sent, answer);
    this.#interrupt?.(canBeCut ? new BeginAgain(error) : error);
  }

  async #putAside(rejected: Rejected, generation: number): Promise<void> {
    this.#isBusyWithDeadLetter = true;
    const { offset, count, reason } = rejected;
    const { deadLetters, positions, emit } = this.#shared;
    try {
      await deadLetters.put(this.route, rejected, UNTIL_DONE);
      this.#positions?.addDeadLetter(offset, count);
      // Before anything behind it goes: a restart has to know that it is not in the target.
      await positions.flush(UNTIL_DONE);
      if (generation !== this.#generation) return;
      emit(mirrorEvents.deadLetter(this.route, offset, count, reason));
      this.deadLetters += 1n;
      this.#refusals.records.delete(offset);
      this.#inHand.putAside();
    } catch (error) {
      if (generation === this.#generation) this.#interrupt?.(error);
      return;
    } finally {
      this.#isBusyWithDeadLetter = false;
      this.#settle();
    }
    this.#unpause();
    this.#goOn();
  }

  /** Fences, then finds where to go on. */
  async #takeOver(signal: AbortSignal): Promise<void> {
    const { target, mirrorId } = this.#shared;
    const { sourceTopic, targetTopic, partition } = this.route;
    this.#fencer ??= new Fencer(target, {
      transactionalId: `${mirrorId}/${sourceTopic}/${partition}`,
      topic: targetTopic,
      partitions: [partition],
    });
    this.#owner = undefined;
    const onFenced = () => this.#phase.set("RESUMING", this.reason);
    const taken = await takeOver(this.#shared, this.route, this.#fencer, onFenced, signal);
    this.#positions = taken.positions;
    this.#bytesMax = this.#refusals.bytesMax(taken.bytesMax);
    this.#leader = taken.leader;
    this.#owner = taken.owner;
    this.#sequence = 0;
    this.#expected = taken.targetEnd;
    this.#subscription = this.#subscribe(taken.next, taken.sourceTopicId, taken.epoch);
    failpoint("mirror.resumed");
    const { next, targetEnd, owner } = taken;
    this.#shared.emit(
      mirrorEvents.partitionStarted(this.route, next, targetEnd, owner.producerEpoch),
    );
  }

  #subscribe(nextOffset: bigint, topicId: string | undefined, lastEpoch = -1): Subscription {
    const { sourceTopic: topic, partition } = this.route;
    return { topic, partition, nextOffset, lastEpoch, topicId, paused: false };
  }

  #unpause(): void {
    if (!this.#subscription.paused || this.#inHand.line.bytes > RESUME_BYTES) return;
    this.#subscription.paused = false;
    this.#shared.fetcher.wake();
  }

  #drop(): void {
    this.#generation += 1;
    this.#shared.fetcher.remove(this.#subscription);
    // What is fetched for it from now on is not ours any more.
    this.#subscription = this.#subscribe(this.sourceOffset, this.#subscription.topicId);
    this.#inHand.drop();
  }

  #giveUp(error: unknown): boolean {
    if (error instanceof BeginAgain || retryOf(error) !== "never") return false;
    if (isForgottenOwner(error)) return false;
    this.error = error;
    const isFenced = error instanceof FencedError;
    this.#phase.set(
      "FAILED",
      isFenced ? "another mirror took this partition over" : messageOf(error),
    );
    const named = eventOf(this.route, error);
    if (named) this.#shared.emit(named);
    this.#shared.emit(mirrorEvents.partitionFailed(this.route, error));
    return true;
  }

  async #backOff(error: unknown, signal: AbortSignal): Promise<void> {
    if (error instanceof BeginAgain) return;
    this.#phase.set("RETRYING", messageOf(error));
    const { waitMs, isFirst } = this.#pace.failed();
    if (isFirst) this.#shared.emit(mirrorEvents.partitionInterrupted(this.route, error));
    await systemClock.sleep(waitMs, signal).catch(() => undefined);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is in hand has to be made anew, from other cuts or another topic; not a failure. */
class BeginAgain extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = "BeginAgain";
  }
}
