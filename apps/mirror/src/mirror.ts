import {
  ConfigError,
  RateMeter,
  retry,
  retryOf,
  systemClock,
  UnavailableError,
  type Emit,
} from "@hybridge/core";
import { FencedError, type ClusterOptions } from "@hybridge/kafka";
import { Cluster, Fetcher, FramePool, POSITIONS_TOPIC } from "@hybridge/kafka/raw";
import { Budget } from "./budget.ts";
import { pause, resume, select, type Selection } from "./control.ts";
import { DeadLetters } from "./dead-letters.ts";
import { Discovery } from "./discovery.ts";
import { NothingToMirrorError } from "./errors.ts";
import { limitConcurrency } from "./limit.ts";
import type { MergePolicy } from "./outbox.ts";
import type { PartitionMirror } from "./partition.ts";
import { Positions } from "./positions.ts";
import { Sender } from "./sender.ts";
import type { Shared } from "./shared.ts";
import { followEnds } from "./source-ends.ts";
import { batchBytesMax, type TopicRules } from "./topics.ts";
import { Trouble } from "./trouble.ts";

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
  readonly discoverEveryMs: number;
  readonly renewEveryMs: number;
  readonly positionsEveryMs: number;
  readonly emit: Emit;
}

const FETCH_BYTES = 4 << 20;
/**
 * With batches of up to 256 KiB, requests stay below 512 KiB: what is larger is a "humongous object"
 * in a broker with the usual heap of 1 GiB, and each of those costs its collector a cycle (measured:
 * a third of the target's throughput).
 */
const REQUEST_BYTES = 224 << 10;
const UNDER_WAY_BYTES = 8 << 20;
const TAKE_OVERS_AT_ONCE = 16;
const PRODUCE_TIMEOUT_MS = 15_000;
const LAST_FLUSH_MS = 3_000;

/** The whole mirror between two clusters: finds partitions, runs each, knows how all are. */
export class Mirror {
  readonly partitions = new Map<string, PartitionMirror>();
  readonly #options: MirrorOptions;
  readonly #rate = new RateMeter();
  readonly #runs = new Map<PartitionMirror, Run>();
  /** What partitions had moved that are mirrored no longer. */
  readonly #past = { records: 0n, bytes: 0n };
  #counted = 0n;
  #positions: Positions | undefined;
  #discovery: Discovery | undefined;
  readonly #trouble: Trouble;
  /** The target's, as far as those know who have nothing to send. */
  readonly #targetTrouble: Trouble;
  #state: "STARTING" | "RUNNING" | "STOPPING" = "STARTING";

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.emit);
    this.#targetTrouble = new Trouble(options.emit);
  }

  /** STARTING, RUNNING, DEGRADED or STOPPING, and why. */
  get state(): { readonly state: string; readonly reason: string } {
    if (this.#state !== "RUNNING")
      return { state: this.#state, reason: this.#trouble.reason ?? "" };
    const trouble = this.#trouble.reason ?? this.#discovery?.refusal;
    if (trouble !== undefined) return { state: "DEGRADED", reason: trouble };
    for (const partition of this.partitions.values()) {
      if (partition.state === "PAUSED" || partition.reason === "") continue;
      const { sourceTopic, partition: number } = partition.route;
      const reason = `${sourceTopic}-${number} is ${partition.state}: ${partition.reason}`;
      return { state: "DEGRADED", reason };
    }
    const { reason } = this.#targetTrouble;
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
    await pause(selected, this.#opened(), signal);
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
    const options = this.#options;
    const stopped = new AbortController();
    const signal = AbortSignal.any([outer, stopped.signal]);
    const frames = new FramePool(options.bufferBytesMax);
    await using source = new Cluster(options.source, frames);
    await using target = new Cluster(options.target);
    let isOneCluster = false;
    await this.#patiently(async () => {
      isOneCluster = await isLoop(source, target, options, signal);
    }, signal);
    const positions = new Positions(target, options.emit);
    await this.#patiently(() => positions.open(signal), signal);
    const budget = new Budget(options.bufferBytesMax, frames);
    const fetcher = this.#fetcher(source, budget, frames, signal);
    const shared: Shared = {
      ...options,
      source,
      target,
      fetcher,
      budget,
      positions,
      sender: new Sender(
        target,
        {
          depth: options.depth,
          requestBytes: REQUEST_BYTES,
          underWayBytesMax: UNDER_WAY_BYTES,
          timeoutMs: PRODUCE_TIMEOUT_MS,
        },
        signal,
      ),
      deadLetters: new DeadLetters(target, options.deadLetterTopic),
      turn: limitConcurrency(TAKE_OVERS_AT_ONCE),
      batchBytesMax: (topic, until) => batchBytesMax(target, topic, until),
    };
    this.#positions = positions;
    const own = new Set([options.deadLetterTopic, POSITIONS_TOPIC]);
    const discovery = new Discovery(shared, { ...options.topics, own, isOneCluster });
    this.#discovery = discovery;
    const all = () => this.partitions.values();
    const isStalled = () => budget.bytes >= options.bufferBytesMax;
    const running = [
      fetcher.run(),
      positions.run(options.positionsEveryMs, signal),
      this.#discover(discovery, signal),
      followEnds(source, all, isStalled, options.discoverEveryMs, signal),
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

  #fetcher(source: Cluster, budget: Budget, frames: FramePool, signal: AbortSignal): Fetcher {
    return new Fetcher({
      cluster: source,
      committedOnly: true,
      signal,
      bytesMax: FETCH_BYTES,
      frames,
      ready: (until) => budget.room(until),
      onFetched: (fetched) => {
        this.#trouble.isOver();
        const { topic, partition } = fetched.subscription;
        this.find(topic, partition)?.accept(fetched);
      },
      onFailed: (subscription, error) => {
        this.find(subscription.topic, subscription.partition)?.sourceFailed(subscription, error);
      },
      onTrouble: (error) => this.#trouble.begins("the source cluster does not answer", error),
    });
  }

  async #discover(discovery: Discovery, signal: AbortSignal): Promise<void> {
    const { discoverEveryMs } = this.#options;
    const isStopped = () => signal.aborted;
    while (!isStopped()) {
      try {
        const topics = await discovery.list(signal);
        for (const gone of discovery.gone(topics, this.partitions.values())) await this.#end(gone);
        const isMirrored = (topic: string, partition: number) =>
          this.find(topic, partition) !== undefined;
        for await (const fresh of discovery.fresh(topics, isMirrored, signal)) {
          this.#start(fresh, signal);
        }
        this.#state = "RUNNING";
        this.#trouble.isOver();
      } catch (error) {
        if (isStopped()) break;
        if (retryOf(error) === "never") throw error;
        this.#trouble.begins("a cluster does not answer", error);
      }
      await systemClock.sleep(discoverEveryMs, signal).catch(() => undefined);
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
        this.#targetTrouble.isOver();
      } catch (error) {
        if (isStopped()) return;
        this.#targetTrouble.begins("the target does not answer", error);
      }
      await systemClock.sleep(this.#options.discoverEveryMs, signal).catch(() => undefined);
    }
  }

  #start(partition: PartitionMirror, signal: AbortSignal): void {
    const { sourceTopic, partition: number } = partition.route;
    this.partitions.set(`${sourceTopic}/${number}`, partition);
    const stop = new AbortController();
    const done = partition.run(AbortSignal.any([signal, stop.signal]));
    this.#runs.set(partition, { stop, done });
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
  async #patiently(attempt: () => Promise<void>, signal: AbortSignal): Promise<void> {
    await retry(attempt, {
      signal,
      maxMs: 2_000,
      onRetry: (error) => this.#trouble.begins("a cluster does not answer", error),
    });
    this.#trouble.isOver();
  }
}

interface Run {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/**
 * Whether source and target are one cluster.
 *
 * @throws ConfigError with names as they are: the mirror would feed on its own output
 */
async function isLoop(
  source: Cluster,
  target: Cluster,
  options: MirrorOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const [from, to] = [await source.describe([], signal), await target.describe([], signal)];
  const isOneCluster = from.clusterId === to.clusterId;
  if (!isOneCluster || options.topics.prefix !== "") return isOneCluster;
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
