import { isAbort, systemClock, type Clock } from "@hybridge/core";
import type { Cluster } from "./cluster.ts";
import { LogDivergedError, OffsetOutOfRangeError, TopicRecreatedError } from "./errors.ts";
import { batchesOf, type Batch } from "./wire/batch.ts";
import type { Frame, FramePool } from "./wire/frame-pool.ts";
import { FetchSession } from "./wire/fetch-session.ts";
import {
  fetchApi,
  readFetch,
  writeFetch,
  type FetchedPartition,
  type FetchPartition,
  type FetchResponse,
} from "./wire/fetch.ts";
import {
  listOffsetsApi,
  listOffsetsAt,
  readListOffsets,
  writeListOffsets,
} from "./wire/list-offsets.ts";
import { brokerError, errorCode, isStaleMetadata, isTopicRefused } from "./wire/protocol-errors.ts";

/** One partition that is read. The fetcher moves `nextOffset`; the owner may pause it. */
export interface Subscription {
  readonly topic: string;
  readonly partition: number;
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
  readonly #unassigned = new Set<Subscription>();
  readonly #loops = new Map<number, LeaderLoop>();
  readonly #running = new Set<Promise<void>>();
  #wake: (() => void) | undefined;
  #failures = 0;

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  add(subscription: Subscription): void {
    this.#unassigned.add(subscription);
    this.#wake?.();
  }

  remove(subscription: Subscription): void {
    this.#unassigned.delete(subscription);
    for (const loop of this.#loops.values()) loop.subscriptions.delete(subscription);
  }

  /** To be called after a subscription was unpaused. */
  wake(): void {
    for (const loop of this.#loops.values()) loop.wake();
  }

  /** Runs until the signal is aborted; throws only what is a bug. */
  async run(): Promise<void> {
    const { signal, clock = systemClock } = this.#options;
    const onAbort = () => {
      this.#wake?.();
      this.wake();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      while (!signal.aborted) {
        if (this.#unassigned.size === 0) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          this.#wake = undefined;
          continue;
        }
        if (this.#failures > 0) {
          const waitMs = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (this.#failures - 1));
          await clock.sleep(waitMs * (0.5 + Math.random() / 2), signal);
        }
        await this.#assign().catch((error: unknown) => this.#trouble(error));
      }
    } catch (error) {
      if (!isAbort(error, signal)) throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      await Promise.all(this.#running);
    }
  }

  async #assign(): Promise<void> {
    const { cluster, signal } = this.#options;
    // Those that come while the cluster is asked have their turn in the next round.
    const waiting = [...this.#unassigned];
    const names = [...new Set(waiting.map(({ topic }) => topic))];
    const metadata = await cluster.describe(names, signal);
    const topics = new Map(metadata.topics.map((topic) => [topic.name, topic]));
    let orphan: Error | undefined;
    for (const subscription of waiting) {
      if (!this.#unassigned.has(subscription)) continue;
      const { topic: name, partition } = subscription;
      const topic = topics.get(name);
      if (topic?.error === errorCode.none && subscription.topicId !== undefined) {
        if (topic.id !== subscription.topicId) {
          this.#fail(subscription, recreated(subscription, topic.id));
          continue;
        }
      }
      if (topic && isTopicRefused(topic.error)) {
        this.#fail(subscription, readRefused(subscription, topic.error));
        continue;
      }
      const entry = topic?.partitions.find((candidate) => candidate.partition === partition);
      if (!topic || !entry || topic.error !== 0 || entry.leader < 0) {
        orphan = brokerError(
          `find the leader of ${name}-${partition}`,
          topic?.error || (entry ? 5 : 3),
        );
        continue;
      }
      subscription.topicId = topic.id;
      this.#unassigned.delete(subscription);
      this.#loop(entry.leader).subscriptions.add(subscription);
    }
    for (const loop of this.#loops.values()) loop.wake();
    if (orphan) this.#trouble(orphan);
  }

  #loop(nodeId: number): LeaderLoop {
    const existing = this.#loops.get(nodeId);
    if (existing) return existing;
    const loop = new LeaderLoop(nodeId, this.#options, {
      moved: (subscription, error) => {
        this.add(subscription);
        this.#trouble(error);
      },
      failed: (subscription, error) => this.#fail(subscription, error),
      closer: (subscription, replica) => {
        const closer = this.#loop(replica);
        closer.subscriptions.add(subscription);
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
      for (const subscription of loop.subscriptions) this.#unassigned.add(subscription);
      this.#wake?.();
    });
    this.#running.add(done);
    return loop;
  }

  #fail(subscription: Subscription, error: Error): void {
    this.remove(subscription);
    this.#options.onFailed(subscription, error);
  }

  #trouble(error: unknown): void {
    if (this.#options.signal.aborted) return;
    this.#failures += 1;
    this.#options.onTrouble?.(error);
  }
}

/** A partition of a request, and the position that was asked for. */
interface Asked {
  readonly subscription: Subscription;
  readonly offset: bigint;
}

function asOf(subscription: Subscription): Asked {
  return { subscription, offset: subscription.nextOffset };
}

function keyOf(at: { readonly topicId: string | undefined; readonly partition: number }): string {
  return `${at.topicId ?? ""}/${at.partition}`;
}

interface LoopEvents {
  /** The partition is led elsewhere now. */
  readonly moved: (subscription: Subscription, error: Error) => void;
  readonly failed: (subscription: Subscription, error: Error) => void;
  /** The leader names a replica in our rack. Whatever goes wrong there leads back to the leader. */
  readonly closer: (subscription: Subscription, replica: number) => void;
  /** The first answer of this loop. */
  readonly answered: () => void;
}

/** The long poll at one broker. Ends when it has no partitions left, throws when the broker is away. */
class LeaderLoop {
  readonly subscriptions = new Set<Subscription>();
  readonly #nodeId: number;
  readonly #options: FetcherOptions;
  readonly #events: LoopEvents;
  readonly #session = new FetchSession();
  #wake: (() => void) | undefined;

  constructor(nodeId: number, options: FetcherOptions, events: LoopEvents) {
    this.#nodeId = nodeId;
    this.#options = options;
    this.#events = events;
  }

  wake(): void {
    this.#wake?.();
  }

  async run(): Promise<void> {
    const { cluster, signal, ready } = this.#options;
    // The first assignment comes in the same turn as the loop itself.
    await Promise.resolve();
    let hasAnswered = false;
    while (this.subscriptions.size > 0 && !signal.aborted) {
      await ready?.(signal);
      const wanted = [...this.subscriptions].filter((subscription) => !subscription.paused);
      if (wanted.length === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
        continue;
      }
      const connection = await cluster.connection(this.#nodeId, "fetch", signal);
      connection.require(fetchApi);
      const body = this.#request(wanted);
      const asked = new Map(
        wanted.map((subscription) => [keyOf(subscription), asOf(subscription)]),
      );
      const response = readFetch(
        await connection.request(fetchApi, body, { signal, timeoutMs: 30_000 }),
      );
      if (!hasAnswered) this.#events.answered();
      hasAnswered = true;
      await this.#handle(response, asked);
      if (response.frame.holders === 0) this.#options.frames?.give(response.frame.bytes);
    }
  }

  #request(wanted: readonly Subscription[]) {
    const { waitMs = 500, bytesMax = 8 << 20, partitionBytesMax = 1 << 20 } = this.#options;
    const partitions = wanted.map((subscription): FetchPartition => ({
      topicId: subscription.topicId ?? "",
      partition: subscription.partition,
      offset: subscription.nextOffset,
      lastEpoch: subscription.lastEpoch,
      bytesMax: partitionBytesMax,
    }));
    return writeFetch({
      waitMs,
      bytesMin: 1,
      bytesMax,
      committedOnly: this.#options.committedOnly,
      rack: this.#options.cluster.options.rack,
      ...this.#session.next(partitions),
    });
  }

  async #handle(response: FetchResponse, asked: ReadonlyMap<string, Asked>): Promise<void> {
    if (
      response.error === errorCode.fetchSessionIdNotFound ||
      response.error === errorCode.invalidFetchSessionEpoch ||
      response.error === errorCode.fetchSessionTopicIdError
    ) {
      this.#session.reset();
      return;
    }
    if (response.error !== 0) {
      throw brokerError(`fetch from broker ${this.#nodeId}`, response.error);
    }
    this.#session.answered(response.sessionId);
    for (const answer of response.partitions) {
      const question = asked.get(keyOf(answer));
      if (!question || !this.#isStill(question)) continue;
      const { subscription } = question;
      if (isStaleMetadata(answer.error)) {
        this.subscriptions.delete(subscription);
        const { topic, partition } = subscription;
        this.#events.moved(subscription, brokerError(`fetch ${topic}-${partition}`, answer.error));
      } else if (answer.error !== 0) await this.#refused(subscription, answer);
      else if (answer.preferredReplica >= 0 && answer.preferredReplica !== this.#nodeId) {
        this.subscriptions.delete(subscription);
        this.#events.closer(subscription, answer.preferredReplica);
      } else if (answer.diverging)
        this.#events.failed(subscription, diverged(subscription, answer));
      else this.#deliver(subscription, answer, response.frame);
    }
  }

  /**
   * False when the owner has begun to read elsewhere since the request: the answer is to an old
   * question, and what stands between the two positions would be passed over in silence.
   */
  #isStill({ subscription, offset }: Asked): boolean {
    return this.subscriptions.has(subscription) && subscription.nextOffset === offset;
  }

  #deliver(subscription: Subscription, answer: FetchedPartition, frame: Frame): void {
    const from = subscription.nextOffset;
    let batches: Batch[];
    try {
      batches = [...batchesOf(answer.records, from)];
    } catch (error) {
      // One damaged partition must not stop the others of its broker.
      this.#events.failed(subscription, error as Error);
      return;
    }
    const last = batches.at(-1);
    if (last) {
      subscription.nextOffset = last.lastOffset + 1n;
      subscription.lastEpoch = last.leaderEpoch;
    }
    this.#options.onFetched({ subscription, from, batches, answer, frame });
  }

  async #refused(subscription: Subscription, answer: FetchedPartition): Promise<void> {
    const { topic, partition } = subscription;
    const attempt = `fetch ${topic}-${partition} from ${subscription.nextOffset}`;
    if (answer.error !== errorCode.offsetOutOfRange) {
      const need = { operation: "Read", name: topic } as const;
      this.#events.failed(subscription, brokerError(attempt, answer.error, null, need));
      return;
    }
    if (subscription.lastEpoch >= 0) {
      // The broker also says so when it no longer knows the epoch: ask again without it.
      subscription.lastEpoch = -1;
      return;
    }
    const { cluster, signal } = this.#options;
    const { start, end } = await rangeOf(cluster, topic, partition, signal);
    const position = subscription.nextOffset;
    if (position >= start && position <= end) return;
    this.#events.failed(
      subscription,
      new OffsetOutOfRangeError({ topic, partition, position, startOffset: start, endOffset: end }),
    );
  }
}

/**
 * Where a partition begins, or ends (exclusive), of all records or of the committed ones.
 *
 * @throws BrokerError when the leader is another one or does not know; the next call asks anew
 */
export async function offsetAt(
  cluster: Cluster,
  at: { readonly topic: string; readonly partition: number },
  place: keyof typeof listOffsetsAt,
  signal: AbortSignal,
  committedOnly = true,
): Promise<bigint> {
  const { topic, partition } = at;
  const [answer] = await cluster.askLeader(
    at,
    listOffsetsApi,
    () => writeListOffsets(topic, [partition], listOffsetsAt[place], committedOnly),
    readListOffsets,
    signal,
  );
  if (answer?.error === 0) return answer.offset;
  cluster.forget(topic);
  const need = { operation: "Read", name: topic } as const;
  throw brokerError(`list the offsets of ${topic}-${partition}`, answer?.error ?? -1, null, need);
}

/** The first offset and the end (exclusive) of what is committed in a partition. */
export async function rangeOf(
  cluster: Cluster,
  topic: string,
  partition: number,
  signal: AbortSignal,
): Promise<{ start: bigint; end: bigint }> {
  const at = { topic, partition };
  const start = await offsetAt(cluster, at, "earliest", signal);
  return { start, end: await offsetAt(cluster, at, "latest", signal) };
}

/**
 * Where the partitions of a topic end (exclusive), with one request per broker. Those that a broker
 * does not know at the moment are left out: whoever needs a certain one asks offsetAt.
 *
 * @throws BrokerError when a partition has no leader
 */
export async function endsOf(
  cluster: Cluster,
  topic: string,
  signal: AbortSignal,
  committedOnly = true,
): Promise<Map<number, bigint>> {
  return await offsetsAt(cluster, topic, "latest", signal, committedOnly);
}

/** As endsOf, for any place that ListOffsets knows. */
export async function offsetsAt(
  cluster: Cluster,
  topic: string,
  place: keyof typeof listOffsetsAt,
  signal: AbortSignal,
  committedOnly = true,
): Promise<Map<number, bigint>> {
  const known = cluster.known(topic) ?? (await cluster.topic(topic, signal));
  const byLeader = Map.groupBy(known.partitions, ({ leader }) => leader);
  const ends = new Map<number, bigint>();
  for (const partitions of byLeader.values()) {
    const numbers = partitions.map(({ partition }) => partition);
    const answers = await cluster.askLeader(
      { topic, partition: numbers[0] ?? 0 },
      listOffsetsApi,
      () => writeListOffsets(topic, numbers, listOffsetsAt[place], committedOnly),
      readListOffsets,
      signal,
    );
    for (const { partition, error, offset } of answers) {
      if (error === 0) ends.set(partition, offset);
      else cluster.forget(topic);
    }
  }
  return ends;
}

function readRefused({ topic, partition, nextOffset }: Subscription, code: number): Error {
  const need = { operation: "Read", name: topic } as const;
  return brokerError(`read ${topic}-${partition} from ${nextOffset}`, code, null, need);
}

function recreated(subscription: Subscription, id: string): Error {
  return new TopicRecreatedError(
    `read ${subscription.topic}-${subscription.partition} from ${subscription.nextOffset}: the topic has the id ${id} now, and had ${String(subscription.topicId)}: it was deleted and created again`,
  );
}

function diverged(subscription: Subscription, answer: FetchedPartition): Error {
  const { topic, partition, nextOffset } = subscription;
  const end = answer.diverging?.endOffset ?? -1n;
  return new LogDivergedError(
    `read ${topic}-${partition} from ${nextOffset}: the leader's log parts from what was read at offset ${end}: ${nextOffset - end} offsets were lost at the source after they had been read; check for an unclean leader election`,
  );
}
