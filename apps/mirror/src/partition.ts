import { failpoint, RateMeter, retryOf, systemClock, type Emit } from "@hybridge/core";
import { BrokerError, FencedError, OffsetOutOfRangeError } from "@hybridge/kafka";
import {
  advanceSequence,
  brokerError,
  errorCode,
  fence,
  ForeignWriterError,
  makeCommittedFilter,
  rangeOf,
  stampBatch,
  type Cluster,
  type Fence,
  type Fetched,
  type Fetcher,
  type Frame,
  type ProducedPartition,
  type Subscription,
} from "@hybridge/kafka/raw";
import type { Budget } from "./budget.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { TargetDivergedError } from "./errors.ts";
import { mirrorEvents, type Route } from "./events.ts";
import { Outbox, type MergePolicy } from "./outbox.ts";
import type { PartitionPositions, Positions } from "./positions.ts";
import { compareTail } from "./resume.ts";
import type { Sender, Shipment, Shipper } from "./sender.ts";
import { firstOffset, shape, type Rejected, type Sendable } from "./shape.ts";

/** What all partitions of a mirror share. */
export interface Shared {
  readonly source: Cluster;
  readonly target: Cluster;
  readonly fetcher: Fetcher;
  readonly sender: Sender;
  readonly positions: Positions;
  readonly deadLetters: DeadLetters;
  readonly budget: Budget;
  readonly emit: Emit;
  readonly merge: MergePolicy;
  /** Part of every transactional id: two mirrors of one pair of clusters must share it. */
  readonly mirrorId: string;
  /** What to do when the source lost records before they were mirrored. */
  readonly onTruncation: "continue" | "stop";
  /** Lets a bounded number of partitions take over at a time. */
  readonly turn: <T>(body: () => Promise<T>) => Promise<T>;
  /** What the target takes in one batch of a topic. */
  readonly batchBytesMax: (topic: string, signal: AbortSignal) => Promise<number>;
}

export type PartitionState =
  "FENCING" | "RESUMING" | "MIRRORING" | "PAUSED" | "RETRYING" | "FAILED";

/** Fetched and unsent bytes of one partition at which reading pauses, and goes on again. */
const PAUSE_BYTES = 4 << 20;
const RESUME_BYTES = 2 << 20;
const RETRY_FIRST_MS = 100;
const RETRY_MOST_MS = 5_000;

/** INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING: the coordinator knows nothing of the last owner. */
const FORGOTTEN_PRODUCER = new Set([48, 49]);
/** An interruption this long after the last one is a new one. */
const CALM_MS = 30_000;

interface Sent {
  readonly parts: readonly Sendable[];
  readonly frames: readonly Frame[];
  readonly expected: bigint;
  readonly bytes: number;
  readonly timestampMs: number;
}

/**
 * One mirrored partition. It takes the target partition over (fence), finds where the target ends
 * (resume), and then sends batch after batch without waiting. Whatever goes wrong, it forgets what
 * it had in hand and does the same again: nothing is ever sent twice on a guess.
 */
export class PartitionMirror implements Shipper {
  readonly route: Route;
  readonly rate = new RateMeter();
  state: PartitionState = "FENCING";
  reason = "";
  error: unknown;
  records = 0n;
  bytes = 0n;
  deadLetters = 0n;
  sourceEnd = 0n;
  readonly #shared: Shared;
  readonly #outbox: Outbox;
  readonly #sent: Sent[] = [];
  readonly #refused = new Map<bigint, string>();
  #suspect: bigint | undefined;
  /** What the target topic takes in one batch, by its settings and by what it has refused. */
  #bytesMax = 0;
  #refusedBytes = Infinity;
  #positions: PartitionPositions | undefined;
  #subscription: Subscription;
  #owner: Fence | undefined;
  #leader = -1;
  #sequence = 0;
  #expected = 0n;
  /** Counts take-overs: answers to what was sent before the last one no longer matter. */
  #generation = 0;
  #isBusyWithDeadLetter = false;
  #failures = 0;
  #interruptedAtMs = 0;
  #interrupt: ((error: unknown) => void) | undefined;

  constructor(route: Route, shared: Shared) {
    this.route = route;
    this.#shared = shared;
    this.#outbox = new Outbox(shared.budget);
    this.#subscription = this.#subscribe(0n, undefined);
  }

  /** The next source offset that is not known to be in the target. */
  get sourceOffset(): bigint {
    const part = this.#sent[0]?.parts[0] ?? this.#outbox.first?.part;
    return part ? firstOffset(part) : this.#subscription.nextOffset;
  }

  get targetOffset(): bigint {
    return this.#sent[0]?.expected ?? this.#expected;
  }

  /** Age of the oldest batch in hand; 0 when there is none. */
  get lagMs(): number {
    const oldest = this.#sent[0]?.timestampMs ?? this.#outbox.first?.timestampMs;
    return oldest === undefined ? 0 : Math.max(0, Date.now() - oldest);
  }

  get hasMore(): boolean {
    return this.state === "MIRRORING" && this.#outbox.first?.part.kind === "batch";
  }

  translate(sourceOffset: bigint): { targetOffset: bigint; exact: boolean } | undefined {
    return this.#positions?.translate(sourceOffset);
  }

  /** Runs until the signal is aborted or the partition cannot go on; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const isStopped = () => signal.aborted;
    while (!isStopped()) {
      const broken = new Promise<never>((_, reject) => {
        this.#interrupt = reject;
      });
      broken.catch(() => undefined);
      const stop = () => this.#interrupt?.(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      try {
        await this.#shared.turn(() => this.#takeOver(signal));
        this.state = "MIRRORING";
        this.reason = "";
        this.#shared.fetcher.add(this.#subscription);
        await broken;
      } catch (error) {
        this.#drop();
        if (isStopped() || this.#giveUp(error)) return;
        await this.#backOff(error, signal);
      } finally {
        signal.removeEventListener("abort", stop);
      }
    }
  }

  /** Takes what was fetched: drops what is not committed, and puts the rest in line. */
  accept(fetched: Fetched): void {
    const { subscription, batches, answer, frame } = fetched;
    if (subscription !== this.#subscription) return;
    this.sourceEnd = answer.lastStableOffset;
    if (this.state !== "MIRRORING") return;
    const isCommitted = makeCommittedFilter(answer.aborted);
    try {
      for (const batch of batches) {
        if (!isCommitted(batch)) continue;
        const timestampMs = Number(batch.maxTimestamp);
        const parts = shape(batch, {
          from: fetched.from,
          bytesMax: this.#bytesMax,
          refused: this.#refused,
          suspect: this.#suspect,
        });
        for (const part of parts) this.#outbox.push({ part, frame, timestampMs });
      }
    } catch (error) {
      this.#interrupt?.(error);
      return;
    }
    if (this.#outbox.bytes > PAUSE_BYTES) subscription.paused = true;
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
    this.#interrupt?.(error);
  }

  ship(roundTripMs: number): Shipment | undefined {
    const first = this.#outbox.first;
    if (!first || !this.hasMore || !this.#owner) return undefined;
    const { parts, frames, bytes } = this.#outbox.take(
      this.#shared.merge,
      this.#bytesMax,
      roundTripMs,
    );
    let count = 0;
    for (const part of parts) count += part.count;
    const { producerId, producerEpoch } = this.#owner;
    stampBatch(bytes, { producerId, producerEpoch, baseSequence: this.#sequence });
    this.#sequence = advanceSequence(this.#sequence, count);
    const sent: Sent = {
      parts,
      frames,
      expected: this.#expected,
      bytes: bytes.length,
      timestampMs: first.timestampMs,
    };
    this.#expected += BigInt(count);
    this.#sent.push(sent);
    this.#unpause();
    const generation = this.#generation;
    return {
      topic: this.route.targetTopic,
      partition: this.route.partition,
      batch: bytes,
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
      const { targetTopic, partition } = this.route;
      this.#interrupt?.(
        new ForeignWriterError(
          `append to ${targetTopic}-${partition}: the batch stands at offset ${answer.baseOffset}, not at ${sent.expected}: something else writes to this partition`,
        ),
      );
      return;
    }
    failpoint("mirror.produce.acked");
    this.#sent.shift();
    let target = sent.expected;
    let count = 0n;
    for (const part of sent.parts) {
      for (const run of part.runs) {
        this.#positions?.add(run.sourceOffset, target, BigInt(run.count));
        target += BigInt(run.count);
        count += BigInt(run.count);
      }
    }
    for (const frame of sent.frames) this.#shared.budget.release(frame);
    this.#failures = 0;
    this.records += count;
    this.bytes += BigInt(sent.bytes);
    this.rate.add(Number(count));
    if (this.#outbox.first?.part.kind === "rejected") this.#goOn();
  }

  /** Sends what is next, or puts it aside when all before it is settled. */
  #goOn(): void {
    if (this.hasMore) this.#shared.sender.ready(this.#leader, this);
    const part = this.#outbox.first?.part;
    if (part?.kind !== "rejected" || this.#sent.length > 0 || this.#isBusyWithDeadLetter) return;
    void this.#putAside(part, this.#generation);
  }

  /** The target refused a batch: the next attempt cuts it, or finds the record that is to blame. */
  #refuse(sent: Sent, answer: ProducedPartition): void {
    const { targetTopic, partition } = this.route;
    const [part] = sent.parts;
    const offset = part?.runs[0]?.sourceOffset;
    const error = brokerError(
      `append ${sent.bytes} bytes to ${targetTopic}-${partition}`,
      answer.error,
      answer.message,
    );
    const isTooLarge =
      answer.error === errorCode.messageTooLarge || answer.error === errorCode.recordListTooLarge;
    const isRefused =
      answer.error === errorCode.invalidRecord || answer.error === errorCode.invalidTimestamp;
    if (isTooLarge) this.#refusedBytes = sent.bytes;
    else if (isRefused && offset !== undefined) {
      const only = sent.parts.length === 1 && part?.count === 1;
      if (only) this.#refused.set(offset, answer.message ?? "the target refused it");
      else this.#suspect = offset;
    } else {
      this.#interrupt?.(error);
      return;
    }
    this.#interrupt?.(new ReshapeNeeded(error));
  }

  async #putAside(rejected: Rejected, generation: number): Promise<void> {
    this.#isBusyWithDeadLetter = true;
    const { record, reason } = rejected;
    const { deadLetters, positions, emit } = this.#shared;
    const signal = AbortSignal.timeout(120_000);
    try {
      await deadLetters.put(this.route, record, reason, signal);
      this.#positions?.addDeadLetter(record.offset);
      // Before anything behind it goes: a restart has to know that it is not in the target.
      await positions.flush(signal);
      if (generation !== this.#generation) return;
      emit(mirrorEvents.deadLetter(this.route, record.offset, reason));
      this.deadLetters += 1n;
      this.#refused.delete(record.offset);
      const item = this.#outbox.shift();
      if (item) this.#shared.budget.release(item.frame);
    } catch (error) {
      if (generation === this.#generation) this.#interrupt?.(error);
      return;
    } finally {
      this.#isBusyWithDeadLetter = false;
    }
    this.#unpause();
    this.#goOn();
  }

  /** Fences, then finds where to go on. */
  async #takeOver(signal: AbortSignal): Promise<void> {
    const { source, target, positions, emit, mirrorId, batchBytesMax } = this.#shared;
    const { sourceTopic, targetTopic, partition } = this.route;
    this.state = "FENCING";
    const from = await source.topic(sourceTopic, signal);
    const to = await target.topic(targetTopic, signal);
    const known = this.#positions?.owner;
    if (known?.sourceTopicId !== from.id || known.targetTopicId !== to.id) {
      this.#positions = positions.of({
        sourceTopic,
        sourceTopicId: from.id,
        targetTopic,
        targetTopicId: to.id,
        partition,
      });
    }
    // Forgotten while it is under way: a fence with an unknown outcome must not look like a
    // take-over by somebody else to the next one.
    const previous = this.#owner;
    this.#owner = undefined;
    const transactionalId = `${mirrorId}/${sourceTopic}/${partition}`;
    const at = { transactionalId, topic: targetTopic, partitions: [partition] };
    const owner = await fence(target, at, signal, previous);
    failpoint("mirror.fenced");
    this.state = "RESUMING";
    const targetEnd = owner.endOffsets.get(partition) ?? 0n;
    const next = await this.#resume(targetEnd, signal);
    const limit = await batchBytesMax(targetTopic, signal);
    this.#bytesMax = Math.min(limit, this.#refusedBytes - 1);
    this.#leader = await target.leader(targetTopic, partition, signal);
    this.#owner = owner;
    this.#sequence = 0;
    this.#expected = targetEnd;
    this.#subscription = this.#subscribe(next, from.id);
    failpoint("mirror.resumed");
    emit(mirrorEvents.partitionStarted(this.route, next, targetEnd, owner.producerEpoch));
  }

  async #resume(targetEnd: bigint, signal: AbortSignal): Promise<bigint> {
    const { source, target, emit, onTruncation } = this.#shared;
    const { sourceTopic, targetTopic, partition } = this.route;
    const positions = this.#positions;
    if (!positions) throw new RangeError("positions are loaded first");
    const range = await rangeOf(source, sourceTopic, partition, signal);
    const start = (await rangeOf(target, targetTopic, partition, signal, false)).start;
    const end = positions.end;
    const known = end?.sourceOffset ?? range.start;
    const isCut = known < range.start;
    if (isCut) {
      if (onTruncation === "stop") {
        throw new OffsetOutOfRangeError({
          topic: sourceTopic,
          partition,
          position: known,
          startOffset: range.start,
          endOffset: range.end,
        });
      }
    }
    const before = end?.targetOffset ?? start;
    if (before > targetEnd) throw targetCutBack(this.route, before, targetEnd);
    const sourceFrom = isCut ? range.start : known;
    const next = await compareTail(
      {
        source,
        target,
        route: this.route,
        positions,
        sourceFrom,
        targetFrom: before > start ? before : start,
        targetEnd,
        sourceWasCut: isCut,
      },
      signal,
    );
    if (isCut) emit(mirrorEvents.sourceTruncated(this.route, known, range.start));
    const found = next - sourceFrom;
    if (found > 0n) emit(mirrorEvents.tailRecovered(this.route, found));
    return next;
  }

  #subscribe(nextOffset: bigint, topicId: string | undefined): Subscription {
    const { sourceTopic: topic, partition } = this.route;
    return { topic, partition, nextOffset, lastEpoch: -1, topicId, paused: false };
  }

  #unpause(): void {
    if (!this.#subscription.paused || this.#outbox.bytes > RESUME_BYTES) return;
    this.#subscription.paused = false;
    this.#shared.fetcher.wake();
  }

  #drop(): void {
    this.#generation += 1;
    this.#shared.fetcher.remove(this.#subscription);
    // What is fetched for it from now on is not ours any more.
    this.#subscription = this.#subscribe(this.sourceOffset, this.#subscription.topicId);
    for (const sent of this.#sent.splice(0)) {
      for (const frame of sent.frames) this.#shared.budget.abandon(frame);
    }
    this.#outbox.clear();
  }

  #giveUp(error: unknown): boolean {
    if (error instanceof ReshapeNeeded || retryOf(error) !== "never") return false;
    if (error instanceof BrokerError && FORGOTTEN_PRODUCER.has(error.kafkaCode)) return false;
    this.state = "FAILED";
    this.error = error;
    this.reason =
      error instanceof FencedError
        ? "another mirror took this partition over"
        : error instanceof Error
          ? error.message
          : String(error);
    this.#shared.emit(mirrorEvents.partitionFailed(this.route, error));
    return true;
  }

  async #backOff(error: unknown, signal: AbortSignal): Promise<void> {
    if (error instanceof ReshapeNeeded) return;
    this.state = "RETRYING";
    this.reason = error instanceof Error ? error.message : String(error);
    const now = Date.now();
    if (now - this.#interruptedAtMs > CALM_MS) this.#failures = 0;
    this.#interruptedAtMs = now;
    if (this.#failures === 0)
      this.#shared.emit(mirrorEvents.partitionInterrupted(this.route, error));
    const waitMs = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    await systemClock.sleep(waitMs * (0.5 + Math.random() / 2), signal).catch(() => undefined);
  }
}

function targetCutBack(route: Route, known: bigint, end: bigint): Error {
  return new TargetDivergedError(
    `find the end of ${route.targetTopic}-${route.partition}: it ends at ${end}, and records up to ${known} had been acknowledged: the target lost them; check for an unclean leader election`,
  );
}

/** The batches in hand have to be cut differently; not a failure. */
class ReshapeNeeded extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = "ReshapeNeeded";
  }
}
