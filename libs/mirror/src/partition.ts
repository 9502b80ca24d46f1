import { Backoff, RateMeter, retryOf } from "@hybridge/core";
import { FencedError } from "@hybridge/kafka";
import {
  Fencer,
  isForgottenOwner,
  offsetAt,
  type Fetched,
  type Subscription,
} from "@hybridge/kafka/raw";
import type { MirrorContext } from "./context.ts";
import { heldBackBy, mirrorEvents, retentionNear } from "./events.ts";
import { eventOf } from "./failure-event.ts";
import { HeldBack, openTransactionAt } from "./held-back.ts";
import { LagClock } from "./lag-clock.ts";
import { Lifecycle, type PartitionState } from "./lifecycle.ts";
import type { PositionLedger } from "./positions/ledger.ts";
import type { Route } from "./route.ts";
import { RestartRequired } from "./tenure/restart.ts";
import { Tenure, type TenureOptions } from "./tenure/tenure.ts";

const RATE_WINDOW_MS = 5_000;
const BACKOFF_MOST_MS = 5_000;
/** An interruption this long after the last one is a new one. */
const CALM_MS = 30_000;
/** So long a warning stands after what it is about has happened last. */
const WARNING_MS = 10_000;

/** The part of the source's retention that is left when it is told. */
const RETENTION_NEAR = 0.25;

/** Where a partition stands while nobody mirrors it. */
interface Standing {
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  readonly ledger: PositionLedger | undefined;
}

/**
 * One mirrored partition: its life cycle, pause and back-off. What it does, it does in tenures (see
 * Tenure), one after the other.
 */
export class PartitionMirror {
  readonly route: Route;
  readonly rate: RateMeter;
  /** What it failed of. */
  error: unknown;
  records = 0n;
  bytes = 0n;
  deadLetters = 0n;
  sourceEnd = 0n;
  readonly #context: MirrorContext;
  readonly #lagClock: LagClock;
  readonly #heldBack: HeldBack;
  readonly #lifecycle = new Lifecycle();
  readonly #backoff: Backoff;
  readonly #tenureOptions: TenureOptions;
  #standing: Standing = { sourceOffset: 0n, targetOffset: 0n, ledger: undefined };
  #tenure: Tenure | undefined;
  #pausedSinceMs: number | undefined;
  #warnedAtMs = 0;
  #isRetentionTold = false;
  /** Ends an attempt that has not come to its tenure yet: fencing, comparing, waiting. */
  #stopAttempt: (() => void) | undefined;

  constructor(route: Route, context: MirrorContext) {
    this.route = route;
    this.#context = context;
    const { clock, random, target, mirrorId } = context;
    this.rate = new RateMeter(RATE_WINDOW_MS, clock);
    this.#heldBack = new HeldBack(clock);
    this.#lagClock = new LagClock(() => clock.now());
    this.#backoff = new Backoff({ maxMs: BACKOFF_MOST_MS, calmMs: CALM_MS, clock, random });
    this.#pausedSinceMs = context.positions.pausedSince(route);
    const { sourceTopic, targetTopic, partition } = route;
    this.#tenureOptions = {
      context,
      route,
      fencer: new Fencer(target, {
        transactionalId: `${mirrorId}/${sourceTopic}/${partition}`,
        topic: targetTopic,
        partitions: [partition],
        clock,
      }),
      limits: { bytesMax: Infinity },
      observer: {
        fenced: () => this.#lifecycle.set("RESUMING", this.reason),
        acknowledged: (records, bytes, timestampMs) =>
          this.#acknowledged(records, bytes, timestampMs),
        deadLettered: (reason) => this.#deadLettered(reason),
        readFailed: (error) => this.#readFailed(error),
        sourceEnds: (lastStable, highWatermark) => this.#sourceEnds(lastStable, highWatermark),
      },
    };
  }

  /** The next source offset that is not known to be in the target. */
  get sourceOffset(): bigint {
    return (this.#tenure ?? this.#standing).sourceOffset;
  }

  get targetOffset(): bigint {
    return (this.#tenure ?? this.#standing).targetOffset;
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
    const oldestMs = this.#tenure?.oldestMs;
    return oldestMs === undefined && this.lag === 0n ? 0 : this.#lagClock.ageMs(oldestMs);
  }

  /** True when it is at a standstill and the age of what lags has nothing to be counted from. */
  get lacksAge(): boolean {
    const isStanding = ["PAUSED", "RETRYING", "FAILED"].includes(this.state);
    return isStanding && this.lag > 0n && !this.#lagClock.isKnown;
  }

  translate(sourceOffset: bigint): { targetOffset: bigint; exact: boolean } | undefined {
    return (this.#tenure ?? this.#standing).ledger?.translate(sourceOffset);
  }

  /** Finds out where the partition stood before this process, so that its lag is known. */
  async locate(signal: AbortSignal): Promise<void> {
    const { source, target, positions } = this.#context;
    const { sourceTopic, targetTopic, partition } = this.route;
    const [from, to] = [source.known(sourceTopic), target.known(targetTopic)];
    const isKnown = () => this.#tenure !== undefined || this.#standing.ledger !== undefined;
    if (isKnown() || !from || !to) return;
    const ids = { sourceTopicId: from.id, targetTopicId: to.id };
    const ledger = positions.of({ sourceTopic, targetTopic, partition, ...ids });
    const { end } = ledger;
    const sourceOffset =
      end?.sourceOffset ??
      (await offsetAt(source, { topic: sourceTopic, partition }, "earliest", signal));
    if (isKnown()) return;
    this.#standing = { sourceOffset, targetOffset: end?.targetOffset ?? 0n, ledger };
  }

  /** Takes note of where the source ends; without an end, of what is known already. */
  observeEnd(end = this.sourceEnd): void {
    // While it is read, an answer to the reader may have overtaken this one.
    if (this.state !== "MIRRORING" || end > this.sourceEnd) this.sourceEnd = end;
    this.#noteIfCaughtUp();
  }

  /** The oldest record that is not mirrored has this time. */
  agedBy(timestampMs: number): void {
    this.#lagClock.reached(timestampMs);
  }

  /** Begins anew when the target topic is not the one any more that it writes to. */
  lookAtTarget(): void {
    const { targets } = this.#context;
    const { targetTopic } = this.route;
    const id = this.#tenure?.ledger.scope.targetTopicId;
    const found = targets.found(targetTopic);
    if (id === undefined || !found || found.id === id) return;
    if (found.id === undefined && !targets.isGone(targetTopic)) return;
    const what = `the target topic ${targetTopic} is not there any more`;
    this.#tenure?.lost(new RestartRequired(new Error(what)));
  }

  /** Finds out who holds the source back when that has been so for long, and tells it. */
  async lookAtTransactions(signal: AbortSignal): Promise<void> {
    const { source, openTransactionMs, emit } = this.#context;
    const held = this.#heldBack;
    if (this.state !== "MIRRORING" || held.forMs < openTransactionMs) return;
    const { offset } = held;
    const open = await openTransactionAt(source, this.route, held, signal);
    if (!open || held.offset !== offset) return;
    this.#warn(heldBackBy(this.route, open));
    if (held.isTold) return;
    held.isTold = true;
    emit(mirrorEvents.transactionOpen(this.route, open));
  }

  /** The oldest record that is not mirrored is deleted at the source in so long, if nothing changes. */
  noteRetention(leftMs: number, retentionMs: number): void {
    const isNear = leftMs < retentionMs * RETENTION_NEAR;
    if (isNear) this.#warn(retentionNear(leftMs));
    if (isNear && !this.#isRetentionTold) {
      this.#context.emit(mirrorEvents.retentionNear(this.route, leftMs));
    }
    this.#isRetentionTold = isNear;
  }

  /** Takes what was fetched for it. */
  accept(fetched: Fetched): void {
    this.#tenure?.accept(fetched);
  }

  /** The fetcher no longer reads it. */
  sourceFailed(subscription: Subscription, error: Error): void {
    this.#tenure?.sourceFailed(subscription, error);
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
   * Stops sending, waits for what is in flight, and drops the rest. Rejects when the signal is
   * aborted before; the partition comes to rest all the same.
   */
  async pause(sinceMs: number, signal: AbortSignal): Promise<void> {
    if (this.isFenced) return;
    this.#pausedSinceMs ??= sinceMs;
    if (this.#tenure) this.#tenure.drain();
    else this.#stopAttempt?.();
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

  /** Takes over and mirrors, until something goes wrong or it is to be paused. */
  async #attempt(outer: AbortSignal): Promise<void> {
    const stopped = new AbortController();
    const signal = AbortSignal.any([outer, stopped.signal]);
    this.#stopAttempt = () => stopped.abort();
    try {
      // Until it works again the last failure is worth knowing.
      this.#lifecycle.set("FENCING", this.state === "RETRYING" ? this.reason : "");
      await using tenure = await Tenure.open(this.#tenureOptions, signal);
      this.#tenure = tenure;
      this.#lifecycle.set("MIRRORING");
      await tenure.run(signal);
    } catch (error) {
      this.#leave();
      if (signal.aborted || this.#giveUp(error)) return;
      if (!this.isPaused) await this.#backOff(error, signal);
    } finally {
      this.#leave();
      // Lets go of the outer signal.
      stopped.abort();
    }
  }

  /** The tenure is over; where it came to is known. */
  #leave(): void {
    const tenure = this.#tenure;
    if (!tenure) return;
    const { sourceOffset, targetOffset, ledger } = tenure;
    this.#standing = { sourceOffset, targetOffset, ledger };
    this.#tenure = undefined;
  }

  #acknowledged(records: number, bytes: number, timestampMs: number): void {
    this.#backoff.reset();
    this.records += BigInt(records);
    this.bytes += BigInt(bytes);
    this.rate.add(records);
    this.#lagClock.reached(timestampMs);
    this.#noteIfCaughtUp();
  }

  #sourceEnds(lastStable: bigint, highWatermark: bigint): void {
    this.sourceEnd = lastStable;
    if (this.#heldBack.observe(lastStable, highWatermark)) {
      this.#context.emit(mirrorEvents.transactionEnded(this.route));
    }
    this.#noteIfCaughtUp();
  }

  #deadLettered(reason: string): void {
    this.deadLetters += 1n;
    this.#warn(`records go to the dead letters: ${reason}`);
  }

  #readFailed(error: Error): void {
    if (this.reason === "") {
      this.#context.emit(mirrorEvents.partitionInterrupted(this.route, error));
    }
    this.#warn(messageOf(error));
  }

  /** Something is wrong although records are mirrored. */
  #warn(reason: string): void {
    this.#warnedAtMs = this.#context.clock.now();
    if (this.state === "MIRRORING") this.#lifecycle.set("MIRRORING", reason);
  }

  #noteIfCaughtUp(): void {
    const isOver = this.#context.clock.now() - this.#warnedAtMs > WARNING_MS;
    if (isOver && this.state === "MIRRORING" && this.reason !== "")
      this.#lifecycle.set("MIRRORING");

    const isKnown = this.#tenure !== undefined || this.#standing.ledger !== undefined;
    if (isKnown && this.lag === 0n) this.#lagClock.caughtUp();
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
    if (this.#backoff.failures === 1) {
      this.#context.emit(mirrorEvents.partitionInterrupted(this.route, error));
    }
    await this.#context.clock.sleep(waitMs, signal).catch(() => undefined);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
