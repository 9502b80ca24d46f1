import { failpoint, invariant } from "@hybridge/core";
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
import type { Refusals } from "./refusals.ts";
import { RestartRequired } from "./restart.ts";
import { shape, type Rejected } from "./shape.ts";
import { takeOver, type TakenOver } from "./take-over.ts";
import { explainUnexpectedOffset } from "./unexpected-offset.ts";

/** Fetched and unsent bytes of one partition at which reading pauses, and goes on again. */
const PAUSE_BYTES = 4 << 20;
const RESUME_BYTES = 2 << 20;

/** What a tenure tells the partition that it is about. */
export interface TenureObserver {
  /** The fence stands in the target; what is there is compared with the source. */
  fenced(): void;
  /** The target has acknowledged records; the newest of them has this time. */
  acknowledged(records: number, bytes: number, timestampMs: number): void;
  deadLettered(): void;
  /** The source ends here, as far as it is committed. */
  sourceEnds(offset: bigint): void;
}

/** What a tenure is opened with, and leaves behind. */
export interface TenureOptions {
  readonly context: MirrorContext;
  readonly route: Route;
  readonly fencer: Fencer;
  /** What the target has refused of late: the next tenure cuts accordingly. */
  readonly refusals: Refusals;
  readonly observer: TenureObserver;
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
  readonly #bytesMax: number;
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

  constructor(options: TenureOptions, taken: TakenOver) {
    this.#options = options;
    this.ledger = taken.ledger;
    this.#owner = taken.owner;
    this.#leader = taken.leader;
    this.#bytesMax = options.refusals.bytesMax(taken.bytesMax);
    this.#expected = taken.targetEnd;
    this.#inFlight = new InFlight(options.context.budget);
    const { sourceTopic: topic, partition } = options.route;
    const { next: nextOffset, epoch: lastEpoch, sourceTopicId: topicId } = taken;
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
    return this.#isSending && this.#inFlight.next?.kind === "batch";
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
    const { observer, refusals } = this.#options;
    if (subscription !== this.#subscription || this.#over.signal.aborted) return;
    if (!this.#isSending) return;
    const isCommitted = makeCommittedFilter(answer.aborted);
    try {
      for (const batch of batches) {
        if (!isCommitted(batch)) continue;
        const timestampMs = Number(batch.maxTimestamp);
        const parts = shape(batch, {
          from: fetched.from,
          bytesMax: this.#bytesMax,
          refused: refusals.records,
          suspect: refusals.suspect,
        });
        for (const part of parts) this.#inFlight.queue.push({ part, frame, timestampMs });
      }
    } catch (error) {
      this.lost(error);
      return;
    }
    if (this.#inFlight.queue.bytes > PAUSE_BYTES) subscription.paused = true;
    observer.sourceEnds(answer.lastStableOffset);
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
    const isToFollow = error instanceof TopicRecreatedError && context.onRecreation === "continue";
    this.lost(isToFollow ? new RestartRequired(error) : error);
  }

  nextBatch(roundTripMs: number): OutgoingBatch | undefined {
    if (!this.hasMore) return undefined;
    const { context, route } = this.#options;
    const sent = this.#inFlight.send(context.merge, this.#bytesMax, roundTripMs, this.#expected);
    const { producerId, producerEpoch } = this.#owner;
    stampBatch(sent.bytes, { producerId, producerEpoch, baseSequence: this.#sequence });
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
    if (answer.error !== errorCode.none) {
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
    const range = { expected, found };
    const error = await explainUnexpectedOffset(
      context.target,
      route,
      range,
      this.#over.signal,
    ).catch((failure: unknown) => failure);
    this.lost(error ?? new RestartRequired(new Error("a marker stands in between")));
  }

  /** Sends what is next, or puts it into the dead letters when all before it is acknowledged. */
  #goOn(): void {
    if (this.hasMore) this.#options.context.sender.ready(this.#leader, this);
    const { next, isBusy } = this.#inFlight;
    if (next?.kind !== "rejected" || isBusy) return;
    if (this.#isWritingDeadLetter || !this.#isSending) return;
    void this.#writeDeadLetter(next);
  }

  /** The target refused a batch: the next tenure cuts it, or finds the record that is to blame. */
  #refused(sent: SentBatch, answer: ProducedPartition): void {
    const { route, refusals } = this.#options;
    const { targetTopic, partition } = route;
    const error = brokerError(
      `append ${sent.bytes.length} bytes to ${targetTopic}-${partition}`,
      answer.error,
      answer.message,
      { operation: "Write", name: targetTopic },
    );
    this.lost(refusals.learn(sent, answer) ? new RestartRequired(error) : error);
  }

  async #writeDeadLetter(rejected: Rejected): Promise<void> {
    this.#isWritingDeadLetter = true;
    const { context, route, refusals, observer } = this.#options;
    const { deadLetters, positions, emit } = context;
    const { offset, count, reason } = rejected;
    const { signal } = this.#over;
    try {
      await deadLetters.put(route, rejected, signal);
      signal.throwIfAborted();
      // From here on it counts as put aside, also for the next tenure, whatever becomes of this one.
      this.ledger.addDeadLetter(offset, BigInt(count));
      emit(mirrorEvents.deadLetter(route, offset, count, reason));
      observer.deadLettered();
      refusals.records.delete(offset);
      // Before anything behind it goes: a restart has to know that it is not in the target.
      await positions.flush(signal);
    } catch (error) {
      this.lost(error);
      return;
    }
    this.#isWritingDeadLetter = false;
    if (signal.aborted) return;
    this.#inFlight.deadLettered();
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
