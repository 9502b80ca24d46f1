import { Notifier, type MonotonicClock, type Emit } from "@hybridge/core";
import type { Health } from "../engine/health.ts";
import type { LandingPolicies } from "../engine/options.ts";
import type { Flusher } from "../flush/flusher.ts";
import type { Gap } from "../flush/flush-buffer.ts";
import type { TopicKey } from "../log/protocol.ts";
import type { LandingLog } from "../log/landing-log.ts";
import type { LandingSource, SourceBatch, SourceFailure } from "../source-port.ts";
import { LaneFailures } from "./failures.ts";
import { Lane } from "./lane.ts";

export interface LanesOptions {
  readonly topic: TopicKey;
  readonly log: LandingLog;
  readonly source: LandingSource;
  readonly flusher: Flusher;
  readonly policies: LandingPolicies;
  readonly health: Health;
  readonly clock: MonotonicClock;
  readonly emit: Emit;
  readonly takeOver?: (partitions: readonly number[], signal: AbortSignal) => Promise<void>;
  /** Nothing new begins after it. */
  readonly signal: AbortSignal;
}

/** The partitions that this process has, and where each is read. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #failures: LaneFailures;
  readonly #lanes = new Map<number, Lane>();
  readonly #changed = new Notifier();
  #topic: TopicKey;
  /** The id of a topic whose recreation is no question any more. */
  #accepted: string | undefined;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#topic = options.topic;
    this.#failures = new LaneFailures({
      ...options,
      control: {
        skip: (gap) => this.#skip(gap),
        restart: (lane) => this.restart([lane]),
        replace: (lane) => this.#replace(lane),
      },
    });
  }

  get all(): readonly Lane[] {
    return [...this.#lanes.values()];
  }

  has(partition: number): boolean {
    return this.#lanes.has(partition);
  }

  reasonOf(lane: Lane): string {
    return this.#failures.reasonOf(lane);
  }

  add(partitions: readonly number[]): void {
    for (const partition of partitions) {
      if (!this.#lanes.has(partition)) this.#lanes.set(partition, new Lane(this.#topic, partition));
    }
    this.#changed.notify();
  }

  /** Ends lanes; what they have in the open buffer is dropped. */
  take(partitions: readonly number[]): readonly Lane[] {
    const lanes = this.#of(partitions);
    for (const lane of lanes) {
      lane.end();
      this.#lanes.delete(lane.partition);
      this.#options.source.remove(lane.partition);
      this.#failures.forget(lane);
    }
    this.#options.flusher.drop(lanes);
    return lanes;
  }

  /** What lanes have in memory is dropped; they begin again where the log says. */
  restart(lanes: readonly Lane[]): void {
    this.#options.flusher.drop(lanes);
    for (const lane of lanes) {
      if (lane.isOver) continue;
      this.#options.source.remove(lane.partition);
      lane.wait();
    }
    this.#changed.notify();
  }

  /** A flush was committed: who has filled a hole looks for the next. */
  committed(): void {
    for (const lane of this.#lanes.values()) {
      if (lane.isDone) lane.wait();
    }
    this.#changed.notify();
  }

  topicIs(topic: TopicKey): void {
    if (topic.topicId === this.#topic.topicId) return;
    this.#topic = topic;
    for (const lane of this.all) {
      if (lane.state === "stopped") continue;
      this.#options.source.remove(lane.partition);
      this.#failures.recreated(lane);
    }
  }

  /** Takes in what the source gave. Nothing of lanes that do not read now. */
  accept(result: SourceBatch | SourceFailure): void {
    const lane = this.#lanes.get(result.partition);
    if (lane?.state !== "reading" || lane.isPaused) return;
    if (result.kind === "failed") this.#failures.failed(lane, result);
    else this.#append(lane, result);
  }

  pause(partitions: readonly number[]): readonly number[] {
    const lanes = this.#of(partitions).filter((lane) => !lane.isPaused);
    for (const lane of lanes) {
      lane.isPaused = true;
      this.#options.source.remove(lane.partition);
    }
    return lanes.map(({ partition }) => partition);
  }

  /** Goes on with paused lanes, and with stopped ones past what stopped them. */
  resume(partitions: readonly number[]): readonly number[] {
    const resumed = this.#of(partitions).filter((lane) => {
      const wasPaused = lane.isPaused;
      lane.isPaused = false;
      if (this.#failures.resume(lane)) return true;
      if (wasPaused && lane.state === "reading") this.#fetch(lane);
      return wasPaused;
    });
    this.#changed.notify();
    return resumed.map(({ partition }) => partition);
  }

  /** Finds out for waiting lanes where they go on: reads the log to its end, and only then fetches. */
  async run(kill: AbortSignal): Promise<void> {
    const { log, health, flusher, takeOver, signal } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const lanes = this.all.filter((lane) => lane.state === "waiting");
      if (lanes.length === 0) {
        await this.#changed.wait(signal);
        continue;
      }
      // What is under way is about to be in the log.
      await flusher.settle(lanes, signal);
      await health.persist("store", () => log.refresh(kill), signal);
      if (takeOver) {
        const partitions = lanes.map(({ partition }) => partition);
        await health.persist("store", () => takeOver(partitions, signal), signal);
      }
      for (const lane of lanes) if (lane.state === "waiting") this.#begin(lane);
    }
  }

  #begin(lane: Lane): void {
    const { state } = this.#options.log;
    lane.begin(state.tip);
    lane.read(state.position(lane.topic, lane.partition));
    const { topicId } = lane.topic;
    const fetch = () => {
      this.#accepted = topicId;
      this.#fetch(lane);
    };
    const isNew = topicId !== this.#accepted && wasRecreated(state.topics(), lane.topic);
    if (isNew) this.#failures.foundRecreated(lane, fetch);
    else fetch();
  }

  #fetch(lane: Lane): void {
    lane.resume();
    if (lane.isPaused || lane.state !== "reading") return;
    this.#options.source.add(lane.partition, lane.next, lane.topic.topicId);
  }

  #append(lane: Lane, batch: SourceBatch): void {
    const { source, flusher, emit } = this.#options;
    if (batch.from !== lane.next) {
      const message = `${lane.place}: the source gave ${batch.from} where ${lane.next} was to come; it is read again`;
      emit({ name: "landing.source_out_of_order", level: "warn", message });
      this.restart([lane]);
      return;
    }
    this.#failures.works(lane);
    flusher.open.append(lane, batch);
    flusher.touched();
    if (lane.state === "filled") source.remove(lane.partition);
  }

  #skip(gap: Gap): void {
    const { flusher } = this.#options;
    const { lane, to } = gap;
    // One commit has one range of a partition: what was read before the gap goes first.
    const hasRecords = flusher.open.has(lane);
    flusher.open.gap(gap);
    if (hasRecords) lane.fill(to);
    else lane.skip(to);
    flusher.touched();
    if (hasRecords) flusher.soon();
    else this.#fetch(lane);
  }

  #replace(lane: Lane): void {
    const { flusher } = this.#options;
    const { next, endOffset, partition } = lane;
    if (endOffset > next) {
      const what = "the topic was deleted before they were read";
      flusher.open.gap({ lane, from: next, to: endOffset, why: "recreated", what });
      flusher.touched();
    }
    this.#failures.forget(lane);
    lane.end();
    this.#accepted = this.#topic.topicId;
    this.#lanes.delete(partition);
    this.add([partition]);
  }

  #of(partitions: readonly number[]): readonly Lane[] {
    return partitions.flatMap((partition) => this.#lanes.get(partition) ?? []);
  }
}

/** Has the log records of an earlier topic of this name, and none of this one? */
function wasRecreated(topics: Iterable<TopicKey>, topic: TopicKey): boolean {
  const namesakes = [...topics].filter((each) => {
    return each.cluster === topic.cluster && each.topic === topic.topic;
  });
  return namesakes.length > 0 && namesakes.every(({ topicId }) => topicId !== topic.topicId);
}
