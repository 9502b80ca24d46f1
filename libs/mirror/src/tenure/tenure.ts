import { failpoint, invariant, retryOf } from "@hybridge/core";
import { OffsetOutOfRangeError } from "@hybridge/kafka";
import {
  advanceSequence,
  Batch,
  brokerError,
  errorCode,
  makeCommittedFilter,
  stampBatch,
  TopicRecreatedError,
  type Fence,
  type Fencer,
  type Fetched,
  type ProducedPartition,
  type Subscription,
} from "@hybridge/kafka/raw";
import type { MirrorContext } from "../context.ts";
import { mirrorEvents } from "../events.ts";
import type { PositionLedger } from "../positions/ledger.ts";
import type { Route } from "../route.ts";
import type { BatchSource, OutgoingBatch } from "../sending/sender.ts";
import { InFlight, type SentBatch } from "./in-flight.ts";
import { isBehindRefused, remedyFor } from "./refusals.ts";
import { RestartRequired } from "./restart.ts";
import { reshape, shape, type Remedy } from "./shape.ts";
import { takeOver, type TakenOver } from "./take-over.ts";
import { explainUnexpectedOffset } from "./unexpected-offset.ts";

/** Fetched and unsent bytes of one partition at which reading pauses, and goes on again. */
const PAUSE_BYTES = 4 << 20;
const RESUME_BYTES = 2 << 20;
/** After an error of one partition at the source; the source as a whole has its own back-off. */
const READ_AGAIN_MS = 2_000;
const DEAD_LETTERS_AT_ONCE = 500;
const DEAD_LETTER_BYTES = 1 << 20;

/** What a tenure tells the partition that it is about. */
export interface TenureObserver {
  /** The fence stands in the target; what is there is compared with the source. */
  fenced(): void;
  /** The target has acknowledged records; the newest of them has this time. */
  acknowledged(records: number, bytes: number, timestampMs: number): void;
  deadLettered(reason: string): void;
  /** The source cannot be read at the moment; it is tried again. */
  readFailed(error: Error): void;
  /** The source ends here as far as it is committed, and there altogether. */
  sourceEnds(lastStable: bigint, highWatermark: bigint): void;
}

/** What a tenure is opened with, and leaves behind. */
export interface TenureOptions {
  readonly context: MirrorContext;
  readonly route: Route;
  readonly fencer: Fencer;
  /** What the target takes in one batch, as it turned out: less than its settings say, perhaps. */
  readonly limits: { bytesMax: number };
  readonly observer: TenureObserver;
}

/** A batch that the target refused. */
interface Refusal {
  readonly remedy: Remedy;
  readonly sent: SentBatch;
  /** Batches in flight that are refused, this one included. */
  answered: number;
}

/**
 * One take-over of one partition: from the fence until something goes wrong, or an operator pauses.
 * It owns what only counts under its fence: sequence and expected offset, what was fetched and is
 * not acknowledged, the dead letter that is being written. Whatever is answered after its end
 * changes nothing any more; what is in the target then is for the next tenure to find out. So
 * nothing is ever sent twice on a guess.
 */
export class Tenure implements BatchSource, AsyncDisposable {
  readonly ledger: PositionLedger;
  readonly #options: TenureOptions;
  readonly #owner: Fence;
  readonly #leader: number;
  readonly #subscription: Subscription;
  readonly #inFlight: InFlight;
  /** Aborted when the tenure is over. */
  readonly #over = new AbortController();
  readonly #ending = Promise.withResolvers<undefined>();
  #sequence = 0;
  /** The target offset of what is sent next. */
  #expected: bigint;
  /** No more is sent; what is in flight is waited for. */
  #isDraining = false;
  #isWritingDeadLetter = false;
  #isExplaining = false;
  /**
   * The target refused a batch and will refuse what is in flight behind it, whose sequence then does
   * not follow. Nothing is sent until all that is answered.
   */
  #refusal: Refusal | undefined;

  constructor(options: TenureOptions, taken: TakenOver) {
    this.#options = options;
    this.ledger = taken.ledger;
    this.#owner = taken.owner;
    this.#leader = taken.leader;
    options.limits.bytesMax = Math.min(options.limits.bytesMax, taken.bytesMax);
    this.#expected = taken.targetEnd;
    this.#inFlight = new InFlight(options.context.budget);
    const { sourceTopic: topic, partition } = options.route;
    const { next: nextOffset, epoch: lastEpoch } = taken;
    const { sourceTopicId: topicId } = taken.ledger.scope;
    this.#subscription = { topic, partition, nextOffset, lastEpoch, topicId, paused: false };
    // Whoever does not wait for the end learns of it all the same.
    this.#ending.promise.catch(() => undefined);
  }

  /**
   * Fences the target partition and finds where to go on.
   *
   * @throws FencedError, TargetDivergedError, TopicRecreatedError, OffsetOutOfRangeError
   */
  static async open(options: TenureOptions, signal: AbortSignal): Promise<Tenure> {
    const { context, route, fencer, observer } = options;
    const taken = await takeOver(context, route, fencer, () => observer.fenced(), signal);
    failpoint("mirror.resumed");
    const { next, targetEnd, owner } = taken;
    context.emit(mirrorEvents.partitionStarted(route, next, targetEnd, owner.producerEpoch));
    return new Tenure(options, taken);
  }

  /** The next source offset that is not known to be in the target. */
  get sourceOffset(): bigint {
    return this.#inFlight.sourceOffset ?? this.#subscription.nextOffset;
  }

  get targetOffset(): bigint {
    return this.#inFlight.targetOffset ?? this.#expected;
  }

  /** The time of the oldest record that was fetched and is not acknowledged. */
  get oldestMs(): number | undefined {
    return this.#inFlight.oldestMs;
  }

  get hasMore(): boolean {
    return this.#isSending && !this.#refusal && this.#inFlight.next?.kind === "batch";
  }

  /** Mirrors until something goes wrong, which is thrown, or everything is drained. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, renewEveryMs, fetcher } = this.#options.context;
    const abort = () => this.lost(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    const renew = () => this.lost(new RestartRequired(new Error("the ownership is renewed")));
    try {
      fetcher.add(this.#subscription);
      // Not all partitions at once: each takes over again.
      clock
        .sleep(renewEveryMs * (0.75 + random() / 4), this.#over.signal)
        .then(renew, () => undefined);
      await this.#ending.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Lets `run` end when what is in flight is acknowledged; what is not yet sent is dropped. */
  drain(): void {
    this.#isDraining = true;
    this.#options.context.fetcher.remove(this.#subscription);
    this.#endIfDrained();
  }

  /** Takes what was fetched: drops what is not committed, and queues the rest. */
  accept(fetched: Fetched): void {
    const { subscription, batches, answer, frame } = fetched;
    const { observer, limits } = this.#options;
    if (subscription !== this.#subscription || this.#over.signal.aborted) return;
    if (!this.#isSending) return;
    const isCommitted = makeCommittedFilter(answer.aborted);
    try {
      for (const batch of batches) {
        if (!isCommitted(batch)) continue;
        const timestampMs = Number(batch.maxTimestamp);
        const parts = shape(batch, { from: fetched.from, bytesMax: limits.bytesMax });
        for (const part of parts) this.#inFlight.queue.push({ part, frame, timestampMs });
      }
    } catch (error) {
      this.lost(error);
      return;
    }
    if (this.#inFlight.queue.bytes > PAUSE_BYTES) subscription.paused = true;
    observer.sourceEnds(answer.lastStableOffset, answer.highWatermark);
    this.#goOn();
  }

  /** The fetcher no longer reads this partition. */
  sourceFailed(subscription: Subscription, error: Error): void {
    if (subscription !== this.#subscription) return;
    const { context, route } = this.#options;
    const isTruncation =
      error instanceof OffsetOutOfRangeError && error.position < error.startOffset;
    if (isTruncation && context.onTruncation === "continue") {
      context.emit(mirrorEvents.sourceTruncated(route, error.position, error.startOffset));
      subscription.nextOffset = error.startOffset;
      context.fetcher.add(subscription);
      return;
    }
    if (retryOf(error) !== "never") {
      // The target partition is ours all the same: reading is tried again without another fence.
      void this.#readAgain(error);
      return;
    }
    const isToFollow = error instanceof TopicRecreatedError && context.onRecreation === "continue";
    this.lost(isToFollow ? new RestartRequired(error) : error);
  }

  async #readAgain(error: Error): Promise<void> {
    const { context, observer } = this.#options;
    observer.readFailed(error);
    const { signal } = this.#over;
    await context.clock.sleep(READ_AGAIN_MS, signal).catch(() => undefined);
    if (this.#isSending) context.fetcher.add(this.#subscription);
  }

  nextBatch(roundTripMs: number): OutgoingBatch | undefined {
    if (!this.hasMore) return undefined;
    const { route } = this.#options;
    const sent = this.#send(roundTripMs);
    if (!sent) return undefined;
    const { producerId, producerEpoch } = this.#owner;
    stampBatch(sent.bytes, { producerId, producerEpoch, baseSequence: sent.baseSequence });
    this.#sequence = advanceSequence(this.#sequence, sent.count);
    this.#expected += BigInt(sent.count);
    this.#resumeReading();
    return {
      topic: route.targetTopic,
      partition: route.partition,
      batch: sent.bytes,
      answered: (answer) => this.#answered(sent, answer),
      lost: (error) => this.lost(error),
    };
  }

  /** The next batch, or none when it cannot be made: that ends the tenure, and nothing else. */
  #send(roundTripMs: number): SentBatch | undefined {
    const { context, limits } = this.#options;
    const place = { expected: this.#expected, baseSequence: this.#sequence };
    try {
      return this.#inFlight.send(context.merge, limits.bytesMax, roundTripMs, place);
    } catch (error) {
      this.lost(error);
      return undefined;
    }
  }

  /** Ends the tenure: what it has in flight has an outcome that nobody knows. */
  lost(error: unknown): void {
    this.#over.abort();
    this.#ending.reject(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { sourceOffset, targetOffset } = this;
    this.#over.abort();
    this.#ending.resolve(undefined);
    this.#options.context.fetcher.remove(this.#subscription);
    this.#inFlight.drop();
    this.#subscription.nextOffset = sourceOffset;
    this.#expected = targetOffset;
    await Promise.resolve();
  }

  get #isSending(): boolean {
    return !this.#isDraining && !this.#over.signal.aborted;
  }

  #answered(sent: SentBatch, answer: ProducedPartition): void {
    if (this.#over.signal.aborted) return;
    if (this.#refusal || answer.error !== errorCode.none) {
      this.#refused(sent, answer);
      return;
    }
    if (answer.baseOffset !== sent.expected) {
      void this.#explain(sent.expected, answer.baseOffset);
      return;
    }
    failpoint("mirror.produce.acked");
    this.#inFlight.acknowledged(sent);
    const lastBatch = { targetOffset: sent.expected, crc: new Batch(sent.bytes).crc };
    let target = sent.expected;
    for (const { runs, epoch } of sent.parts) {
      for (const { sourceOffset, count } of runs) {
        const run = { sourceOffset, targetOffset: target, count: BigInt(count), epoch };
        this.ledger.add(run, lastBatch);
        target += BigInt(count);
      }
    }
    invariant(
      target === sent.expected + BigInt(sent.count),
      "a batch has as many positions as records",
    );
    this.#options.observer.acknowledged(sent.count, sent.bytes.length, sent.timestampMs);
    if (this.#inFlight.next?.kind === "rejected") this.#goOn();
    this.#endIfDrained();
  }

  /** A batch does not stand where it should: nothing that follows is believed either. */
  async #explain(expected: bigint, found: bigint): Promise<void> {
    if (this.#isExplaining) return;
    this.#isExplaining = true;
    const { context, route } = this.#options;
    const range = { topicId: this.ledger.scope.targetTopicId, expected, found };
    const error = await explainUnexpectedOffset(
      context.target,
      route,
      range,
      this.#over.signal,
    ).catch((failure: unknown) => failure);
    this.lost(
      error ??
        new RestartRequired(new Error("a marker stands in between, or the topic is a new one")),
    );
  }

  /** Sends what is next, or puts it into the dead letters when all before it is acknowledged. */
  #goOn(): void {
    if (this.hasMore) this.#options.context.sender.ready(this.#leader, this);
    const { next, isBusy } = this.#inFlight;
    if (next?.kind !== "rejected" || isBusy) return;
    if (this.#isWritingDeadLetter || !this.#isSending) return;
    void this.#writeDeadLetters();
  }

  /**
   * The target refused a batch, or one that stands behind it. When all in flight is refused, which
   * is certain then, it goes back into the queue, cut as the target takes it. That needs no fence.
   */
  #refused(sent: SentBatch, answer: ProducedPartition): void {
    const { route, limits } = this.#options;
    const { targetTopic, partition } = route;
    const attempt = `append ${sent.bytes.length} bytes to ${targetTopic}-${partition}`;
    const need = { operation: "Write", name: targetTopic } as const;
    if (!this.#refusal) {
      const remedy = remedyFor(sent, answer);
      if (!remedy) {
        this.lost(brokerError(attempt, answer.error, answer.message, need));
        return;
      }
      if (remedy.tooLarge !== undefined)
        limits.bytesMax = Math.min(limits.bytesMax, remedy.tooLarge - 1);
      this.#refusal = { remedy, sent, answered: 0 };
    } else if (answer.error === errorCode.none) {
      this.lost(new RestartRequired(new Error(`${attempt}: taken although one before it was not`)));
      return;
    } else if (!isBehindRefused(answer.error) && !remedyFor(sent, answer)) {
      this.lost(brokerError(attempt, answer.error, answer.message, need));
      return;
    }
    this.#refusal.answered += 1;
    if (this.#refusal.answered === this.#inFlight.sentCount) this.#resend(this.#refusal);
  }

  #resend({ remedy, sent: refused }: Refusal): void {
    const { limits } = this.#options;
    this.#refusal = undefined;
    this.#sequence = refused.baseSequence;
    this.#expected = refused.expected;
    try {
      this.#inFlight.takeBack((part, sent) =>
        sent === refused ? reshape(part, remedy, limits.bytesMax) : [part],
      );
    } catch (error) {
      this.lost(error);
      return;
    }
    this.#endIfDrained();
    this.#goOn();
  }

  async #writeDeadLetters(): Promise<void> {
    this.#isWritingDeadLetter = true;
    const { context, route, observer } = this.#options;
    const { deadLetters, positions, emit } = context;
    const { signal } = this.#over;
    const list = this.#inFlight.rejected(DEAD_LETTERS_AT_ONCE, DEAD_LETTER_BYTES);
    try {
      await deadLetters.put(route, list, signal);
      signal.throwIfAborted();
      // From here on they count as put aside, also for the next tenure, whatever becomes of this one.
      for (const { offset, count, reason } of list) {
        this.ledger.addDeadLetter(offset, BigInt(count));
        emit(mirrorEvents.deadLetter(route, offset, count, reason));
        observer.deadLettered(reason);
      }
      // Before anything behind them goes: a restart has to know that they are not in the target.
      await positions.flush(signal);
    } catch (error) {
      this.lost(error);
      return;
    }
    this.#isWritingDeadLetter = false;
    if (signal.aborted) return;
    this.#inFlight.deadLettered(list.length);
    this.#resumeReading();
    this.#goOn();
    this.#endIfDrained();
  }

  #endIfDrained(): void {
    if (!this.#isDraining || this.#inFlight.isBusy || this.#isWritingDeadLetter) return;
    this.#ending.resolve(undefined);
  }

  #resumeReading(): void {
    if (!this.#subscription.paused || this.#inFlight.queue.bytes > RESUME_BYTES) return;
    this.#subscription.paused = false;
    this.#options.context.fetcher.wake();
  }
}
