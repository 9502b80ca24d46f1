import { hostname } from "node:os";
import { describeError, retry, type Emit } from "@hybridge/core";
import { clusterIdOf, type ClusterOptions } from "@hybridge/kafka";
import {
  fixedMembership,
  openMembership,
  openPartitions,
  watchTopics,
  type Membership,
  type TopicChange,
  type TopicIdentity,
} from "@hybridge/kafka/groups";
import {
  adviceOn,
  LandingEngine,
  openLandingLog,
  quarantineLate,
  TABLE_NAME,
  takeOverLedgers,
  type FlushEncoder,
  type FollowingCatalog,
  type LandingLog,
  type TableStore,
  type TakeOverOptions,
} from "@hybridge/landing";
import type { Observer } from "@hybridge/tracing";
import { deadLetterFiles } from "./dead-letters.ts";
import { TableLeader } from "./lead.ts";
import { memoryShares } from "./memory-shares.ts";
import { partitionList, type WarehouseConfig } from "./settings.ts";
import { landingSource } from "./source.ts";
import { topicKey } from "./topic-key.ts";
import { traceFlushes } from "./traces.ts";
import { LandedVisibility } from "./visibility.ts";

/** What a warehouse is made of; each side has its own. */
export interface WarehouseOptions {
  readonly side: "internal" | "external";
  readonly config: WarehouseConfig;
  /** The cluster that this side reads. */
  readonly cluster: ClusterOptions;
  /** Between two steps of the catalog. */
  readonly followIntervalMs: number;
  /** Makes what the store needs before anything else: the bucket. */
  readonly prepareStore?: (signal: AbortSignal) => Promise<void>;
  /** The folder of the table. */
  readonly store: TableStore;
  readonly catalog: FollowingCatalog;
  readonly encoder: FlushEncoder;
  /** Where the former version kept its ledger, and what its catalog shows of it. */
  readonly former: Pick<TakeOverOptions, "parent" | "visibleEnd">;
  readonly emit: Emit;
  /** Told where lags are to be read. */
  readonly observe: (observer: Observer) => void;
}

/** A warehouse at work on a topic that is there. */
export interface Warehouse {
  readonly engine: LandingEngine;
  readonly log: LandingLog;
  readonly leader: TableLeader;
  readonly membership: Membership;
  readonly visibility: LandedVisibility;
  readonly catalog: FollowingCatalog;
}

/**
 * Lands a topic until the signal is aborted: opens the log, joins the group, and lets the engine
 * land what the group gives it. Stopped, it lands what it has read, leaves the group and ends.
 *
 * @param identity the topic as it is
 * @param started told when it is at work
 */
export async function runLanding(
  options: WarehouseOptions,
  identity: TopicIdentity,
  started: (warehouse: Warehouse) => void,
  degraded: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { cluster, catalog, emit } = options;
  const ready = await prepare(options, degraded, signal);
  const { log, clusterId } = ready;
  const topic = options.config.HYBRIDGE_TOPIC;
  const leader = new TableLeader({
    ...{ log, store: options.store, catalog, emit, intervalMs: options.followIntervalMs },
    quarantineLate: (until) =>
      quarantineLate({ ...options.former, log, table: options.store, emit }, topic, until),
    visible: (commit) => engine.visible(commit),
  });
  // The membership outlives the engine, whose last flush it has to cover.
  const group = new AbortController();
  await using stack = new AsyncDisposableStack();
  const engine = openEngine(options, ready, topicKey(clusterId, topic, identity.topicId), {
    lead: (until) => leader.run(until),
    landed(offsets) {
      leader.wake();
      void membership.commit(offsets.map((each) => ({ topic, ...each })));
    },
  });
  stack.use(engine);
  const membership = stack.use(join(options, engine, group.signal));
  const watch = new AbortController();
  const watching = watchTopics({
    ...{ cluster, emit, topics: [topic], signal: AbortSignal.any([signal, watch.signal]) },
    onChange: (change) => engineHears(engine, clusterId, change),
  });
  const visibility = new LandedVisibility(catalog, engine, leader);
  started({ engine, log, leader, membership, visibility, catalog });
  try {
    await untilStopped(engine, signal);
    await engine.stop();
  } finally {
    watch.abort();
    await watching;
  }
}

/** Resolves when the signal is aborted. @throws what ends the landing before */
async function untilStopped(engine: LandingEngine, signal: AbortSignal): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([stopped, engine.done]);
}

interface Ready {
  readonly log: LandingLog;
  readonly clusterId: string;
}

/** What has to be there before anything is read; waits for whatever is away. */
async function prepare(
  { side, cluster, store, prepareStore, emit }: WarehouseOptions,
  degraded: (reason: string) => void,
  signal: AbortSignal,
): Promise<Ready> {
  const writer = `warehouse-${side} ${hostname()} ${process.pid}`;
  const persist = <T>(place: string, attempt: () => Promise<T>): Promise<T> =>
    retry(attempt, {
      signal,
      classify: adviceOn,
      baseMs: 200,
      maxMs: 5_000,
      onRetry(error) {
        const reason = `${place}: ${describeError(error)}`;
        degraded(reason);
        emit({ name: "warehouse.waiting", level: "warn", message: reason, error });
      },
    });
  const clusterId = await persist("source", () => clusterIdOf(cluster, signal));
  const log = await persist("store", async () => {
    await prepareStore?.(signal);
    return await openLandingLog({ store, table: TABLE_NAME, writer, emit }, signal);
  });
  return { log, clusterId };
}

function openEngine(
  options: WarehouseOptions,
  { log }: Ready,
  topic: ReturnType<typeof topicKey>,
  to: {
    readonly lead: (signal: AbortSignal) => Promise<void>;
    readonly landed: (offsets: readonly { partition: number; offset: bigint }[]) => void;
  },
): LandingEngine {
  const { config, cluster, encoder, emit, former, store } = options;
  const { bufferBytesMax, sourceBytesMax } = memoryShares(config.HYBRIDGE_MEMORY_BYTES_MAX);
  let hasLedger = true;
  return new LandingEngine({
    ...{ topic, log, encoder, emit, lead: to.lead, onLanded: to.landed },
    limits: {
      intervalMs: config.HYBRIDGE_FLUSH_INTERVAL_MS,
      bufferBytesMax,
      recordsMax: config.HYBRIDGE_FLUSH_RECORDS_MAX,
    },
    policies: {
      gap: config.HYBRIDGE_GAP_POLICY,
      recreation: config.HYBRIDGE_ON_RECREATION,
      corruption: config.HYBRIDGE_ON_CORRUPTION,
    },
    writeDeadLetters: deadLetterFiles(config.HYBRIDGE_STAGING_DIR),
    openSource: (signal) =>
      landingSource(
        openPartitions({
          ...{ cluster, topic: topic.topic, signal, emit },
          bufferBytesMax: sourceBytesMax,
        }),
      ),
    observe: traceFlushes(topic.topic),
    async takeOver(partitions, signal) {
      if (!hasLedger) return;
      const parts = { ...former, log, table: store, emit };
      hasLedger = await takeOverLedgers(parts, topic, partitions, signal);
    },
  });
}

function join(
  { side, config, cluster, emit }: WarehouseOptions,
  engine: LandingEngine,
  signal: AbortSignal,
): Membership {
  const topic = config.HYBRIDGE_TOPIC;
  const group = config.HYBRIDGE_GROUP_ID ?? `hybridge-warehouse-${side}`;
  const numbers = (list: readonly { readonly partition: number }[]) =>
    list.map(({ partition }) => partition);
  const assigned = (list: readonly { readonly partition: number }[]) =>
    engine.assigned(numbers(list));
  const fixed = config.HYBRIDGE_PARTITIONS;
  if (fixed !== undefined) {
    const partitions = partitionList(fixed).map((partition) => ({ topic, partition }));
    return fixedMembership({ cluster, group, partitions, listener: { assigned }, signal, emit });
  }
  return openMembership({
    ...{ cluster, group, topics: [topic], signal, emit },
    listener: {
      assigned,
      revoked: (list, until) => engine.revoked(numbers(list), until),
      lost: (list) => engine.lost(numbers(list)),
    },
    protocol: config.HYBRIDGE_GROUP_PROTOCOL,
    sessionTimeoutMs: config.HYBRIDGE_SESSION_TIMEOUT_MS,
    rebalanceTimeoutMs: config.HYBRIDGE_REBALANCE_TIMEOUT_MS,
  });
}

/** A topic that was made again has another identity. */
function engineHears(engine: LandingEngine, clusterId: string, change: TopicChange): void {
  const { topic, topicId } = change.topic;
  if (change.kind === "recreated" || change.kind === "found")
    engine.topicIs(topicKey(clusterId, topic, topicId));
}
