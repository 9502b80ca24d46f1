import { isAbort, systemClock, type Clock } from "@hybridge/core";
import type { Cluster } from "./cluster.ts";
import { OffsetOutOfRangeError, TopicRecreatedError } from "./errors.ts";
import { LeaderLoop } from "./leader-loop.ts";
import { lookUpBounds, type LogBounds } from "./offsets.ts";
import type { Batch } from "./wire/batch.ts";
import type { Frame, FramePool } from "./wire/frame-pool.ts";
import type { FetchedPartition } from "./wire/fetch.ts";
import type { TopicMetadata } from "./wire/metadata.ts";
import { brokerError, errorCode, isTopicRefused } from "./wire/protocol-errors.ts";

/** One partition that is read. The fetcher moves `nextOffset`; the owner may pause it. */
export interface Subscription {
  readonly topic: string;
  readonly partition: number;
  /** -1: the first that the log has; the fetcher puts its number here. */
  nextOffset: bigint;
  /** Leader epoch of the last batch read; -1 when unknown. */
  lastEpoch: number;
  /** Set at the first sight of the topic; another id later means that it was recreated. */
  topicId: string | undefined;
  paused: boolean;
}

/** What one answer brought for one partition. */
export interface Fetched {
  readonly subscription: Subscription;
  /** The position that was asked for; the first batch may begin before it. */
  readonly from: bigint;
  /** Whole batches, from the position on; control and aborted ones included. */
  readonly batches: readonly Batch[];
  readonly answer: FetchedPartition;
  readonly frame: Frame;
}

export interface FetcherOptions {
  readonly cluster: Cluster;
  readonly committedOnly: boolean;
  readonly signal: AbortSignal;
  /** Called in order per partition; must not wait. */
  readonly onFetched: (fetched: Fetched) => void;
  /** The subscription is no longer read: out of range, diverged, recreated, not allowed. */
  readonly onFailed: (subscription: Subscription, error: Error) => void;
  /** A broker is away or has no leader for something; it is tried again. */
  readonly onTrouble?: (error: unknown) => void;
  /** Awaited before each request: back-pressure. */
  readonly ready?: (signal: AbortSignal) => Promise<void>;
  /** Where frames go back to that nobody holds after onFetched. */
  readonly frames?: FramePool;
  readonly waitMs?: number;
  readonly bytesMax?: number;
  readonly partitionBytesMax?: number;
  readonly clock?: Clock;
}

const RETRY_FIRST_MS = 50;
const RETRY_MOST_MS = 2_000;

/**
 * Reads partitions wherever their leaders are, one long poll per broker, and keeps on doing so
 * when leaders move and brokers go away. It decodes nothing.
 */
export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #clock: Clock;
  /** New here: their leaders are looked for at once. */
  readonly #unassigned = new Set<Subscription>();
  /** Without a leader, or with one that is away: looked for again after the back-off. */
  readonly #orphans = new Set<Subscription>();
  /** The bounds of their logs are being looked up. */
  readonly #checked = new Set<Subscription>();
  readonly #loops = new Map<number, LeaderLoop>();
  readonly #running = new Set<Promise<void>>();
  #wake: (() => void) | undefined;
  #isPostponing = false;
  /** Waits in a row without an answer in between. */
  #failures = 0;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  add(subscription: Subscription): void {
    this.#unassigned.add(subscription);
    this.#wake?.();
  }

  remove(subscription: Subscription): void {
    this.#unassigned.delete(subscription);
    this.#orphans.delete(subscription);
    this.#checked.delete(subscription);
    for (const loop of this.#loops.values()) loop.remove(subscription);
  }

  /** To be called after a subscription was unpaused. */
  wake(): void {
    for (const loop of this.#loops.values()) loop.wake();
  }

  /** Runs until the signal is aborted; throws only what is a bug. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const onAbort = () => {
      this.#wake?.();
      this.wake();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      while (!signal.aborted) {
        if (this.#unassigned.size > 0) await this.#assign();
        else await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
      }
    } catch (error) {
      if (!isAbort(error, signal)) throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      await Promise.all(this.#running);
    }
  }

  /** Leaves a subscription for later, with those that wait already: new ones do not wait for these. */
  #postpone(subscription: Subscription): void {
    this.#orphans.add(subscription);
    if (this.#isPostponing) return;
    this.#isPostponing = true;
    const waitMs = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    const { signal } = this.#options;
    void this.#clock.sleep(waitMs * (0.5 + Math.random() / 2), signal).then(
      () => {
        this.#isPostponing = false;
        for (const orphan of this.#orphans) this.#unassigned.add(orphan);
        this.#orphans.clear();
        this.#wake?.();
      },
      () => undefined,
    );
  }

  async #assign(): Promise<void> {
    const { cluster, signal } = this.#options;
    // Those that come while the cluster is asked have their turn in the next round.
    const waiting = [...this.#unassigned];
    try {
      const names = [...new Set(waiting.map(({ topic }) => topic))];
      const { topics } = await cluster.describe(names, signal);
      const known = new Map(topics.map((topic) => [topic.name, indexed(topic)]));
      for (const subscription of waiting) {
        if (this.#unassigned.delete(subscription)) this.#place(subscription, known);
      }
    } catch (error) {
      signal.throwIfAborted();
      for (const subscription of waiting) {
        if (this.#unassigned.delete(subscription)) this.#postpone(subscription);
      }
      this.#trouble(error);
    }
    for (const loop of this.#loops.values()) loop.wake();
  }

  #place(subscription: Subscription, topics: ReadonlyMap<string, Indexed>): void {
    const { topic: name, partition, topicId } = subscription;
    const found = topics.get(name);
    const topic = found?.topic;
    if (topic?.error === errorCode.none && topicId !== undefined && topic.id !== topicId) {
      this.#fail(subscription, recreated(subscription, topic.id));
      return;
    }
    if (topic && isTopicRefused(topic.error)) {
      this.#fail(subscription, readRefused(subscription, topic.error));
      return;
    }
    const leader = found?.leaders.get(partition);
    if (!topic || leader === undefined || topic.error !== 0 || leader < 0) {
      this.#postpone(subscription);
      const code = topic?.error || (leader === undefined ? 3 : 5);
      this.#trouble(brokerError(`find the leader of ${name}-${partition}`, code));
      return;
    }
    subscription.topicId = topic.id;
    if (subscription.nextOffset < 0n) this.#check(subscription);
    else this.#loop(leader).add(subscription);
  }

  #loop(nodeId: number): LeaderLoop {
    const existing = this.#loops.get(nodeId);
    if (existing) return existing;
    const loop = new LeaderLoop(nodeId, this.#options, {
      moved: (subscription, error) => {
        this.#postpone(subscription);
        this.#trouble(error);
      },
      failed: (subscription, error) => this.#fail(subscription, error),
      outOfRange: (subscription) => this.#check(subscription),
      closer: (subscription, replica) => {
        const closer = this.#loop(replica);
        closer.add(subscription);
        closer.wake();
      },
      answered: () => (this.#failures = 0),
    });
    this.#loops.set(nodeId, loop);
    const run = loop.run().catch((error: unknown) => this.#trouble(error));
    const done = run.finally(() => {
      this.#loops.delete(nodeId);
      this.#running.delete(done);
      // Also those that were added in the turn in which the loop ended.
      for (const subscription of loop.subscriptions) this.#postpone(subscription);
      this.#wake?.();
    });
    this.#running.add(done);
    return loop;
  }

  /** Looks up what the log holds, together with the others that come in the same turn. */
  #check(subscription: Subscription): void {
    this.#checked.add(subscription);
    if (this.#checked.size > 1) return;
    const done = Promise.resolve()
      .then(() => this.#lookUp())
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  async #lookUp(): Promise<void> {
    const { cluster, signal } = this.#options;
    while (this.#checked.size > 0) {
      const wanted = [...this.#checked];
      const answers = await lookUpBounds(cluster, wanted, signal);
      if (signal.aborted) return;
      for (const [index, subscription] of wanted.entries()) {
        const bounds = answers[index];
        if (this.#checked.delete(subscription) && bounds) this.#judge(subscription, bounds);
      }
      this.#wake?.();
    }
  }

  #judge(subscription: Subscription, bounds: LogBounds | Error): void {
    const { topic, partition, nextOffset: position } = subscription;
    if (bounds instanceof Error) {
      this.#postpone(subscription);
      this.#trouble(bounds);
      return;
    }
    const { start, end } = bounds;
    if (position < 0n) {
      subscription.nextOffset = start;
      this.#unassigned.add(subscription);
      // A follower, or a leader that is new, may not have it yet.
    } else if (position >= start && position <= end) this.#postpone(subscription);
    else {
      const range = { topic, partition, position, startOffset: start, endOffset: end };
      this.#fail(subscription, new OffsetOutOfRangeError(range));
    }
  }

  #fail(subscription: Subscription, error: Error): void {
    this.remove(subscription);
    this.#options.onFailed(subscription, error);
  }

  #trouble(error: unknown): void {
    if (!this.#options.signal.aborted) this.#options.onTrouble?.(error);
  }
}

interface Indexed {
  readonly topic: TopicMetadata;
  /** Node ids by partition; below 0 for none. */
  readonly leaders: ReadonlyMap<number, number>;
}

function indexed(topic: TopicMetadata): Indexed {
  const leaders = topic.partitions.map(({ partition, leader }) => [partition, leader] as const);
  return { topic, leaders: new Map(leaders) };
}

function readRefused({ topic, partition, nextOffset }: Subscription, code: number): Error {
  const need = { operation: "Read", name: topic } as const;
  return brokerError(`read ${topic}-${partition} from ${nextOffset}`, code, null, need);
}

function recreated(subscription: Subscription, id: string): Error {
  return new TopicRecreatedError(
    `read ${subscription.topic}-${subscription.partition} from ${subscription.nextOffset}: the topic has the id ${id} now, and had ${String(subscription.topicId)}: it was deleted and created again`,
    id,
  );
}
