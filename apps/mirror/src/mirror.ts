import { ConfigError, RateMeter, retry, retryOf, systemClock, type Emit } from "@hybridge/core";
import { FencedError, type ClusterOptions } from "@hybridge/kafka";
import { Cluster, Fetcher, FramePool, POSITIONS_TOPIC } from "@hybridge/kafka/raw";
import { Budget } from "./budget.ts";
import { DeadLetters } from "./dead-letters.ts";
import { NothingToMirrorError } from "./errors.ts";
import { mirrorEvents } from "./events.ts";
import { limitConcurrency } from "./limit.ts";
import type { MergePolicy } from "./outbox.ts";
import { PartitionMirror, type Shared } from "./partition.ts";
import { Positions } from "./positions.ts";
import { Sender } from "./sender.ts";
import { batchBytesMax, ensureTarget, isWanted, type TopicRules } from "./topics.ts";

export interface MirrorOptions {
  readonly source: ClusterOptions;
  readonly target: ClusterOptions;
  readonly topics: Omit<TopicRules, "own">;
  readonly mirrorId: string;
  readonly deadLetterTopic: string;
  readonly bufferBytesMax: number;
  /** Produce requests under way per broker of the target. */
  readonly depth: number;
  readonly merge: MergePolicy;
  readonly onTruncation: "continue" | "stop";
  readonly discoverEveryMs: number;
  readonly positionsEveryMs: number;
  readonly emit: Emit;
}

const FETCH_BYTES = 4 << 20;
const REQUEST_BYTES = 2 << 20;
const UNDER_WAY_BYTES = 8 << 20;
const TAKE_OVERS_AT_ONCE = 16;
const PRODUCE_TIMEOUT_MS = 15_000;
const LAST_FLUSH_MS = 3_000;

/** The whole mirror between two clusters: finds partitions, runs each, knows how all are. */
export class Mirror {
  readonly partitions = new Map<string, PartitionMirror>();
  readonly #options: MirrorOptions;
  readonly #rules: TopicRules;
  readonly #rate = new RateMeter();
  #counted = 0n;
  #trouble: string | undefined;
  #state: "STARTING" | "RUNNING" | "STOPPING" = "STARTING";

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#rules = {
      ...options.topics,
      own: new Set([options.deadLetterTopic, POSITIONS_TOPIC]),
    };
  }

  /** STARTING, RUNNING, DEGRADED or STOPPING, and why. */
  get state(): { readonly state: string; readonly reason: string } {
    if (this.#state !== "RUNNING") return { state: this.#state, reason: this.#trouble ?? "" };
    if (this.#trouble !== undefined) return { state: "DEGRADED", reason: this.#trouble };
    for (const partition of this.partitions.values()) {
      if (partition.state !== "RETRYING" && partition.state !== "FAILED") continue;
      const { sourceTopic, partition: number } = partition.route;
      const reason = `${sourceTopic}-${number} is ${partition.state}: ${partition.reason}`;
      return { state: "DEGRADED", reason };
    }
    return { state: "RUNNING", reason: "" };
  }

  /** Records and bytes acknowledged by the target, and records per second of late. */
  get totals(): { readonly records: bigint; readonly bytes: bigint; readonly rate: number } {
    let records = 0n;
    let bytes = 0n;
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
    await this.#patiently(() => refuseLoop(source, target, options, signal), signal);
    const positions = new Positions(target, options.emit);
    await this.#patiently(() => positions.open(options.target, signal), signal);
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
          requestBytesMax: REQUEST_BYTES,
          underWayBytesMax: UNDER_WAY_BYTES,
          timeoutMs: PRODUCE_TIMEOUT_MS,
        },
        signal,
      ),
      deadLetters: new DeadLetters(target, options.deadLetterTopic),
      turn: limitConcurrency(TAKE_OVERS_AT_ONCE),
      batchBytesMax: (topic, until) => batchBytesMax(target, topic, until),
    };
    const running = [
      fetcher.run(),
      positions.run(options.positionsEveryMs, signal),
      this.#discover(shared, signal),
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
        this.#recovered();
        const { topic, partition } = fetched.subscription;
        this.find(topic, partition)?.accept(fetched);
      },
      onFailed: (subscription, error) => {
        this.find(subscription.topic, subscription.partition)?.sourceFailed(subscription, error);
      },
      onTrouble: (error) => this.#degraded("the source cluster does not answer", error),
    });
  }

  async #discover(shared: Shared, signal: AbortSignal): Promise<void> {
    const { discoverEveryMs } = this.#options;
    const failed = new Set<PartitionMirror>();
    const runs = new Set<Promise<void>>();
    let failure: unknown;
    const isStopped = () => signal.aborted;
    while (!isStopped() && failure === undefined) {
      try {
        for (const partition of await this.#findNew(shared, signal)) {
          const run = partition.run(signal).finally(() => {
            runs.delete(run);
            failed.add(partition);
          });
          runs.add(run);
        }
        this.#state = "RUNNING";
        this.#recovered();
      } catch (error) {
        if (isStopped()) break;
        if (retryOf(error) === "never") throw error;
        this.#degraded("a cluster does not answer", error);
      }
      await systemClock.sleep(discoverEveryMs, signal).catch(() => undefined);
      if (!isStopped() && failed.size > 0 && failed.size === this.partitions.size) {
        failure = allStopped([...failed]);
      }
    }
    await Promise.all(runs);
    if (failure !== undefined) throw failure;
  }

  /** Looks for partitions that are not mirrored yet, and prepares their target. */
  async #findNew(shared: Shared, signal: AbortSignal): Promise<PartitionMirror[]> {
    const { source, target, emit } = shared;
    const fresh: PartitionMirror[] = [];
    const { topics } = await source.describe(undefined, signal);
    for (const topic of topics) {
      if (topic.error !== 0 || !isWanted(topic, this.#rules)) continue;
      const targetTopic = `${this.#rules.prefix}${topic.name}`;
      await ensureTarget(source, target, topic, targetTopic, emit, signal);
      for (const { partition } of topic.partitions) {
        if (this.find(topic.name, partition)) continue;
        const route = { sourceTopic: topic.name, targetTopic, partition };
        const mirror = new PartitionMirror(route, shared);
        this.partitions.set(`${topic.name}/${partition}`, mirror);
        fresh.push(mirror);
      }
    }
    return fresh;
  }

  /** Waits for a cluster that is away, for ever; what cannot pass by itself is thrown. */
  async #patiently(attempt: () => Promise<void>, signal: AbortSignal): Promise<void> {
    await retry(attempt, {
      signal,
      maxMs: 2_000,
      onRetry: (error) => this.#degraded("a cluster does not answer", error),
    });
    this.#recovered();
  }

  #degraded(what: string, error: unknown): void {
    const reason = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    if (this.#trouble === undefined) this.#options.emit(mirrorEvents.degraded(reason, error));
    this.#trouble = reason;
  }

  #recovered(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#options.emit(mirrorEvents.recovered());
  }
}

/** With names as they are, mirroring a cluster to itself would feed on its own output. */
async function refuseLoop(
  source: Cluster,
  target: Cluster,
  options: MirrorOptions,
  signal: AbortSignal,
): Promise<void> {
  const [from, to] = [await source.describe([], signal), await target.describe([], signal)];
  if (from.clusterId !== to.clusterId || options.topics.prefix !== "") return;
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
