import {
  ConfigError,
  RateMeter,
  retry,
  retryOf,
  Semaphore,
  systemClock,
  UnavailableError,
  type Emit,
  type MonotonicClock,
} from "@hybridge/core";
import { FencedError, type ClusterOptions } from "@hybridge/kafka";
import {
  Cluster,
  Fetcher,
  FramePool,
  POSITIONS_TOPIC,
  type TopicMetadata,
} from "@hybridge/kafka/raw";
import { ByteBudget } from "./sending/byte-budget.ts";
import { pause, resume, select, type Selection } from "./control.ts";
import { DeadLetters } from "./tenure/dead-letters.ts";
import { Discovery } from "./topics/discovery.ts";
import { NothingToMirrorError } from "./errors.ts";
import { mirrorEvents } from "./events.ts";
import type { MergePolicy } from "./tenure/outbox.ts";
import { PartitionMirror } from "./partition.ts";
import { Positions } from "./positions/positions.ts";
import { Sender } from "./sending/sender.ts";
import type { MirrorContext } from "./context.ts";
import { followEnds, refreshEnds } from "./source-ends.ts";
import { batchBytesMax, type TopicRules } from "./topics/target-topic.ts";
import { TargetWatch } from "./topics/target-watch.ts";
import { Outage } from "./outage.ts";

export interface MirrorOptions {
  readonly source: ClusterOptions;
  readonly target: ClusterOptions;
  readonly topics: Omit<TopicRules, "own" | "isOneCluster">;
  readonly mirrorId: string;
  readonly deadLetterTopic: string;
  readonly bufferBytesMax: number;
  /** Produce requests under way per broker of the target. */
  readonly depth: number;
  readonly merge: MergePolicy;
  readonly onTruncation: "continue" | "stop";
  readonly onRecreation: "continue" | "stop";
  readonly onTargetLoss: "stop" | "copy";
  readonly onTargetDeletion: "stop" | "copy";
  readonly openTransactionMs: number;
  readonly discoverEveryMs: number;
  readonly renewEveryMs: number;
  readonly positionsEveryMs: number;
  readonly emit: Emit;
  readonly clock?: MonotonicClock;
  /** From 0 up to 1. */
  readonly random?: () => number;
}

const FETCH_BYTES = 4 << 20;
/**
 * With batches of up to 256 KiB, requests stay below 512 KiB: what is larger is a "humongous object"
 * in a broker with the usual heap of 1 GiB, and each of those costs its collector a cycle (measured:
 * a third of the target's throughput).
 */
const REQUEST_BYTES = 224 << 10;
const IN_FLIGHT_BYTES = 8 << 20;
const TAKE_OVERS_AT_ONCE = 16;
const PRODUCE_TIMEOUT_MS = 15_000;
const RATE_WINDOW_MS = 5_000;
const LAST_FLUSH_MS = 3_000;

/** The whole mirror between two clusters: finds partitions, runs each, knows how all are. */
export class Mirror {
  readonly partitions = new Map<string, PartitionMirror>();
  readonly #options: MirrorOptions;
  readonly #clock: MonotonicClock;
  readonly #rate: RateMeter;
  readonly #runs = new Map<PartitionMirror, Run>();
  /** What partitions had moved that are mirrored no longer. */
  readonly #past = { records: 0n, bytes: 0n };
  #counted = 0n;
  #positions: Positions | undefined;
  #discovery: Discovery | undefined;
  readonly #outage: Outage;
  /** The target's, as far as those know who have nothing to send. */
  readonly #targetOutage: Outage;
  #state: "STARTING" | "RUNNING" | "STOPPING" = "STARTING";

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#rate = new RateMeter(RATE_WINDOW_MS, this.#clock);
    this.#outage = new Outage(options.emit);
    this.#targetOutage = new Outage(options.emit);
  }

  /** STARTING, RUNNING, DEGRADED or STOPPING, and why. */
  get state(): { readonly state: string; readonly reason: string } {
    if (this.#state !== "RUNNING") return { state: this.#state, reason: this.#outage.reason ?? "" };
    const outage = this.#outage.reason ?? this.#discovery?.refusal ?? this.#positions?.reason;
    if (outage !== undefined) return { state: "DEGRADED", reason: outage };
    for (const partition of this.partitions.values()) {
      if (partition.state === "PAUSED" || partition.reason === "") continue;
      const { sourceTopic, partition: number } = partition.route;
      const reason = `${sourceTopic}-${number} is ${partition.state}: ${partition.reason}`;
      return { state: "DEGRADED", reason };
    }
    const { reason } = this.#targetOutage;
    return { state: reason === undefined ? "RUNNING" : "DEGRADED", reason: reason ?? "" };
  }

  /** Records and bytes acknowledged by the target, and records per second of late. */
  get totals(): { readonly records: bigint; readonly bytes: bigint; readonly rate: number } {
    let { records, bytes } = this.#past;
    for (const partition of this.partitions.values()) {
      records += partition.records;
      bytes += partition.bytes;
    }
    this.#rate.add(Number(records - this.#counted));
    this.#counted = records;
    return { records, bytes, rate: this.#rate.rate() };
  }

  find(sourceTopic: string, partition: number): PartitionMirror | undefined {
    return this.partitions.get(`${sourceTopic}/${partition}`);
  }

  /** Pauses partitions; see control.ts. @returns those that were asked for */
  async pause(selection: Selection, signal: AbortSignal): Promise<readonly PartitionMirror[]> {
    const selected = select("pause", [...this.partitions.values()], selection);
    await pause(selected, this.#opened(), this.#clock.now(), signal);
    return selected;
  }

  /** Lets them go on; see control.ts. @returns those that were asked for */
  async resume(selection: Selection, signal: AbortSignal): Promise<readonly PartitionMirror[]> {
    const selected = select("resume", [...this.partitions.values()], selection);
    await resume(selected, this.#opened(), signal);
    return selected;
  }

  #opened(): Positions {
    if (this.#positions && this.#state === "RUNNING") return this.#positions;
    throw new UnavailableError(`steer the mirror: it is ${this.#state}`);
  }

  /**
   * Mirrors until the signal is aborted.
   *
   * @throws NothingToMirrorError, ConfigError, AuthenticationError, UnsupportedBrokerError
   */
  async run(outer: AbortSignal): Promise<void> {
    const [options, clock] = [this.#options, this.#clock];
    const stopped = new AbortController();
    const signal = AbortSignal.any([outer, stopped.signal]);
    const frames = new FramePool(options.bufferBytesMax);
    await using source = new Cluster(options.source, frames);
    await using target = new Cluster(options.target);
    const { sourceClusterId, isOneCluster } = await this.#patiently(
      () => identify(source, target, options, signal),
      signal,
    );
    const positions = new Positions({ ...options, target, sourceClusterId, clock });
    await this.#patiently(() => positions.open(signal), signal);
    const budget = new ByteBudget(options.bufferBytesMax, frames);
    const fetcher = this.#fetcher(source, budget, frames, signal);
    const context: MirrorContext = {
      ...options,
      clock,
      random: options.random ?? Math.random,
      source,
      target,
      fetcher,
      budget,
      positions,
      targets: new TargetWatch(target),
      sender: new Sender(
        target,
        {
          depth: options.depth,
          requestBytes: REQUEST_BYTES,
          inFlightBytesMax: IN_FLIGHT_BYTES,
          timeoutMs: PRODUCE_TIMEOUT_MS,
          clock,
        },
        signal,
      ),
      deadLetters: new DeadLetters(target, options.deadLetterTopic, clock),
      takeOvers: new Semaphore(TAKE_OVERS_AT_ONCE),
      batchBytesMax: (topic, until) => batchBytesMax(target, topic, until),
    };
    this.#positions = positions;
    const own = new Set([options.deadLetterTopic, POSITIONS_TOPIC]);
    const discovery = new Discovery(context, { ...options.topics, own, isOneCluster });
    this.#discovery = discovery;
    const all = () => this.partitions.values();
    const isStalled = () => budget.bytes >= options.bufferBytesMax;
    const running = [
      fetcher.run(),
      positions.run(options.positionsEveryMs, signal),
      this.#discover(discovery, context, signal),
      followEnds(source, all, isStalled, { clock, everyMs: options.discoverEveryMs }, signal),
      this.#watchTarget(target, signal),
    ];
    try {
      await Promise.all(running);
    } finally {
      this.#state = "STOPPING";
      stopped.abort();
      await Promise.allSettled(running);
      // Only a courtesy to the next start, which otherwise compares a little more.
      await positions.flush(AbortSignal.timeout(LAST_FLUSH_MS)).catch(() => undefined);
    }
  }

  #fetcher(source: Cluster, budget: ByteBudget, frames: FramePool, signal: AbortSignal): Fetcher {
    return new Fetcher({
      cluster: source,
      committedOnly: true,
      signal,
      bytesMax: FETCH_BYTES,
      frames,
      ready: (until) => budget.room(until),
      onFetched: (fetched) => {
        this.#outage.end();
        const { topic, partition } = fetched.subscription;
        this.find(topic, partition)?.accept(fetched);
      },
      onFailed: (subscription, error) => {
        this.find(subscription.topic, subscription.partition)?.sourceFailed(subscription, error);
      },
      onTrouble: (error) => this.#outage.begin("the source cluster does not answer", error),
    });
  }

  async #discover(
    discovery: Discovery,
    context: MirrorContext,
    signal: AbortSignal,
  ): Promise<void> {
    const { discoverEveryMs } = this.#options;
    const isStopped = () => signal.aborted;
    while (!isStopped()) {
      try {
        const topics = await discovery.list(signal);
        await this.#endDeleted(discovery, topics);
        const isMirrored = (topic: string, partition: number) =>
          this.find(topic, partition) !== undefined;
        for await (const routes of discovery.fresh(topics, isMirrored, signal)) {
          const fresh = routes.map((route) => new PartitionMirror(route, context));
          await refreshEnds(context.source, fresh, signal);
          for (const partition of fresh) this.#start(partition, signal);
        }
        for (const partition of this.partitions.values()) partition.lookAtTarget();
        this.#state = "RUNNING";
        this.#outage.end();
      } catch (error) {
        if (isStopped()) break;
        if (retryOf(error) === "never") throw error;
        this.#outage.begin("a cluster does not answer", error);
      }
      await this.#clock.sleep(discoverEveryMs, signal).catch(() => undefined);
      if (!isStopped() && discovery.refusal === undefined) this.#throwIfAllFailed();
    }
    await Promise.all([...this.#runs.values()].map(({ done }) => done));
  }

  /** A mirror that has nothing to send would not notice that the target is away. */
  async #watchTarget(target: Cluster, signal: AbortSignal): Promise<void> {
    const isStopped = () => signal.aborted;
    while (!isStopped()) {
      try {
        await target.describe([], signal);
        this.#targetOutage.end();
      } catch (error) {
        if (isStopped()) return;
        this.#targetOutage.begin("the target does not answer", error);
      }
      await this.#clock.sleep(this.#options.discoverEveryMs, signal).catch(() => undefined);
    }
  }

  #start(partition: PartitionMirror, signal: AbortSignal): void {
    const { sourceTopic, partition: number } = partition.route;
    this.partitions.set(`${sourceTopic}/${number}`, partition);
    const stop = new AbortController();
    const done = partition.run(AbortSignal.any([signal, stop.signal]));
    this.#runs.set(partition, { stop, done });
  }

  async #endDeleted(discovery: Discovery, topics: readonly TopicMetadata[]): Promise<void> {
    const byTopic = Map.groupBy(this.partitions.values(), ({ route }) => route.sourceTopic);
    for (const name of discovery.gone(topics, byTopic.keys())) {
      const partitions = byTopic.get(name) ?? [];
      this.#options.emit(mirrorEvents.sourceTopicDeleted(name, partitions.length));
      for (const partition of partitions) await this.#end(partition);
    }
  }

  /** Its source is gone. */
  async #end(partition: PartitionMirror): Promise<void> {
    const { sourceTopic, partition: number } = partition.route;
    const run = this.#runs.get(partition);
    run?.stop.abort();
    await run?.done;
    this.#runs.delete(partition);
    this.partitions.delete(`${sourceTopic}/${number}`);
    this.#past.records += partition.records;
    this.#past.bytes += partition.bytes;
  }

  #throwIfAllFailed(): void {
    const all = [...this.partitions.values()];
    if (all.length > 0 && all.every(({ state }) => state === "FAILED")) throw allStopped(all);
  }

  /** Waits for a cluster that is away, for ever; what cannot pass by itself is thrown. */
  async #patiently<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const result = await retry(attempt, {
      signal,
      maxMs: 2_000,
      onRetry: (error) => this.#outage.begin("a cluster does not answer", error),
    });
    this.#outage.end();
    return result;
  }
}

interface Run {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/**
 * Which cluster the source is, and whether the target is the same.
 *
 * @throws ConfigError with names as they are: the mirror would feed on its own output
 */
async function identify(
  source: Cluster,
  target: Cluster,
  options: MirrorOptions,
  signal: AbortSignal,
): Promise<{ readonly sourceClusterId: string; readonly isOneCluster: boolean }> {
  const [from, to] = [await source.describe([], signal), await target.describe([], signal)];
  const isOneCluster = from.clusterId === to.clusterId;
  if (!isOneCluster || options.topics.prefix !== "") {
    return { sourceClusterId: from.clusterId, isOneCluster };
  }
  throw new ConfigError(
    `source (${options.source.bootstrap}) and target (${options.target.bootstrap}) are one cluster, ${from.clusterId}: set another target, or HYBRIDGE_TARGET_PREFIX`,
  );
}

function allStopped(partitions: readonly PartitionMirror[]): Error {
  const fenced = partitions.every(({ error }) => error instanceof FencedError);
  const [first] = partitions;
  return new NothingToMirrorError(
    fenced
      ? "mirror: another mirror with the same HYBRIDGE_MIRROR_ID took all partitions over; stop one of the two"
      : `mirror: all ${partitions.length} partitions have stopped; the first because: ${first?.reason ?? "unknown"}`,
    { cause: first?.error },
  );
}
