import { describeError, type MonotonicClock, type Emit, type HybridgeEvent } from "@hybridge/core";
import type { Health } from "../engine/health.ts";
import type { LandingPolicies } from "../engine/options.ts";
import type { Gap } from "../flush/flush-buffer.ts";
import type { GapReason } from "../log/protocol.ts";
import type { SourceFailure } from "../source-port.ts";
import type { Lane } from "./lane.ts";

/** What a lane can be told to do after a failure. */
export interface LaneControl {
  /** Writes offsets off and reads on behind them. */
  skip(gap: Gap): void;
  /** Drops what the lane has in memory and begins again where the log says. */
  restart(lane: Lane): void;
  /** The topic has another identity: the partition begins anew under it. */
  replace(lane: Lane): void;
}

/** How long a partition rests that cannot be read for a reason which somebody may put right. */
const RETRY_MS = 30_000;
/** How long it rests when its end lies below what was landed: it may grow. */
const BEHIND_MS = 5_000;

interface Stop {
  readonly resume: () => void;
}

/** Decides what becomes of one partition that cannot be read on; the others never notice. */
export class LaneFailures {
  readonly #policies: LandingPolicies;
  readonly #health: Health;
  readonly #control: LaneControl;
  readonly #emit: Emit;
  readonly #clock: MonotonicClock;
  readonly #signal: AbortSignal;
  readonly #stops = new Map<Lane, Stop>();

  constructor(options: {
    readonly policies: LandingPolicies;
    readonly health: Health;
    readonly control: LaneControl;
    readonly emit: Emit;
    readonly clock: MonotonicClock;
    readonly signal: AbortSignal;
  }) {
    this.#policies = options.policies;
    this.#health = options.health;
    this.#control = options.control;
    this.#emit = options.emit;
    this.#clock = options.clock;
    this.#signal = options.signal;
  }

  /** Decides about what a source said of the lane. */
  failed(lane: Lane, failure: SourceFailure): void {
    const { startOffset, endOffset, skipTo } = failure;
    switch (failure.reason) {
      case "out-of-range":
        if (startOffset !== undefined && startOffset > lane.next) {
          this.#deleted(lane, startOffset, failure.error);
        } else this.#behind(lane, endOffset, failure.error);
        return;
      case "diverged":
        this.#emit(divergedEvent(lane, endOffset, failure.error));
        this.#control.restart(lane);
        return;
      case "corrupt":
        this.#corrupt(lane, skipTo, failure.error);
        return;
      case "recreated":
        this.recreated(lane, failure.error);
        return;
      case "not-authorized":
      case "other":
        this.#stopFor(lane, failure.error, RETRY_MS);
    }
  }

  /** The topic was deleted and made again. */
  recreated(lane: Lane, error?: Error): void {
    this.#recreated(lane, error, () => this.#control.replace(lane));
  }

  #recreated(lane: Lane, error: Error | undefined, go: () => void): void {
    if (this.#policies.recreation === "continue") {
      this.#emit(recreatedEvent(lane, error));
      go();
      return;
    }
    const what =
      "the topic was deleted and made again; with the policy `continue`, or after resuming it, the new " +
      "one is landed from its beginning";
    this.#stop(lane, what, error, go);
  }

  /** What the log has is of an earlier topic of the same name; `go` reads the new one. */
  foundRecreated(lane: Lane, go: () => void): void {
    this.#recreated(lane, undefined, go);
  }

  /** What an operator wants to go on goes on, whatever the policy says. */
  resume(lane: Lane): boolean {
    const stop = this.#stops.get(lane);
    if (!stop) return false;
    this.forget(lane);
    stop.resume();
    return true;
  }

  /** The lane is not this process's any more. */
  forget(lane: Lane): void {
    this.#stops.delete(lane);
    this.#health.clear(lane);
  }

  reasonOf(lane: Lane): string {
    return this.#health.reasonOf(lane);
  }

  #deleted(lane: Lane, startOffset: bigint, error: Error): void {
    // Nothing was ever read of it: it only begins later than at 0.
    const isStart = lane.next === 0n;
    const why: GapReason = isStart ? "start" : "retention";
    const what = isStart
      ? `the source begins at ${startOffset}`
      : `the source deleted ${lane.next}..${startOffset - 1n} before they were landed`;
    const go = () => {
      this.#skip(lane, startOffset, why, what, error);
    };
    if (isStart || this.#policies.gap === "continue") go();
    else {
      const remedy = "the policy `continue`, or resuming it, goes on behind them";
      this.#stop(lane, `${what}; ${remedy}`, error, go);
    }
  }

  #corrupt(lane: Lane, skipTo: bigint | undefined, error: Error): void {
    if (skipTo === undefined || skipTo <= lane.next) {
      this.#stopFor(lane, error, RETRY_MS);
      return;
    }
    const what = `a batch is damaged: ${describeError(error)}`;
    const go = () => {
      this.#skip(lane, skipTo, "corrupt", what, error);
    };
    if (this.#policies.corruption === "skip") go();
    else {
      const range = `${lane.next}..${skipTo - 1n}`;
      const remedy = `the policy \`skip\`, or resuming it, leaves ${range} out`;
      this.#stop(lane, `${what}; ${remedy}`, error, go);
    }
  }

  #skip(lane: Lane, end: bigint, why: GapReason, what: string, error: Error): void {
    const { next: from, stopAt } = lane;
    const to = stopAt !== undefined && stopAt < end ? stopAt : end;
    const gap = { lane, from, to, why, what };
    this.#emit(gapEvent(gap, error));
    this.#control.skip(gap);
  }

  /** The source ends below what the log has: records that come there have offsets that are taken. */
  #behind(lane: Lane, endOffset: bigint | undefined, error: Error): void {
    const reason =
      `the source ends at ${endOffset ?? "an unknown offset"}, and ${lane.next} is to be read next: ` +
      "records were lost in it, and new ones up to there will not be landed";
    this.#stopFor(lane, error, BEHIND_MS, reason);
  }

  #stopFor(lane: Lane, error: Error, ms: number, reason = describeError(error)): void {
    const again = () => this.#control.restart(lane);
    this.#stop(lane, reason, error, again);
    const stop = this.#stops.get(lane);
    void this.#clock.sleep(ms, this.#signal).then(
      () => {
        if (stop === undefined || this.#stops.get(lane) !== stop) return;
        // The problem stands until the lane reads again, so that it is told once.
        this.#stops.delete(lane);
        again();
      },
      () => undefined,
    );
  }

  /** The lane reads again: what was wrong is not any more. */
  works(lane: Lane): void {
    this.#health.clear(lane);
  }

  #stop(lane: Lane, reason: string, error: Error | undefined, resume: () => void): void {
    lane.stop();
    this.#stops.set(lane, { resume });
    if (this.#health.reasonOf(lane) === reason) return;
    this.#health.set(lane, lane.place, reason, error);
    this.#emit({
      name: "landing.partition_stopped",
      level: "error",
      message: `landing of ${lane.place} stopped at ${lane.next}: ${reason}`,
      fields: { topic: lane.topic.topic, partition: lane.partition, offset: String(lane.next) },
      error,
    });
  }
}

function gapEvent({ lane, from, to, why, what }: Gap, error: Error): HybridgeEvent {
  const isStart = why === "start";
  return {
    name: "landing.gap",
    level: isStart ? "info" : "error",
    message: `${lane.place}: offsets ${from}..${to - 1n} are not landed: ${what}`,
    fields: {
      topic: lane.topic.topic,
      partition: lane.partition,
      from: String(from),
      to: String(to),
      why,
    },
    ...(isStart ? {} : { error }),
    measurements: [
      {
        kind: "counter",
        name: "hybridge_landing_gap_offsets_total",
        value: Number(to - from),
        labels: { why },
      },
    ],
  };
}

function divergedEvent(lane: Lane, end: bigint | undefined, error: Error): HybridgeEvent {
  const message =
    `${lane.place}: the source lost records from ${end ?? "an unknown offset"} on after they were ` +
    `read; up to ${lane.landed} they are landed, and what comes in their place is not`;
  const fields = {
    topic: lane.topic.topic,
    partition: lane.partition,
    landed: String(lane.landed),
  };
  return { name: "landing.source_diverged", level: "error", message, fields, error };
}

function recreatedEvent(lane: Lane, error: Error | undefined): HybridgeEvent {
  const message = `${lane.place}: the topic was deleted and made again; it is landed from its beginning`;
  const fields = { topic: lane.topic.topic, partition: lane.partition };
  return { name: "landing.topic_recreated", level: "warn", message, fields, error };
}
