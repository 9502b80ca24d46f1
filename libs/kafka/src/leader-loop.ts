import { retryOf, systemClock } from "@hybridge/core";
import type { Cluster } from "./cluster.ts";
import { LogDivergedError, NotAuthorizedError } from "./errors.ts";
import type { Fetched, FetcherOptions, Subscription } from "./fetcher.ts";
import { batchesOf, type Batch } from "./wire/batch.ts";
import { FetchSession } from "./wire/fetch-session.ts";
import {
  fetchApi,
  readFetch,
  writeFetch,
  type FetchedPartition,
  type FetchPartition,
  type FetchResponse,
} from "./wire/fetch.ts";
import type { Frame } from "./wire/frame-pool.ts";
import { brokerError, errorCode, isStaleMetadata } from "./wire/protocol-errors.ts";

/** A partition at this broker, and what it was last asked for. */
interface Asked {
  readonly subscription: Subscription;
  readonly topicId: string;
  readonly partition: number;
  offset: bigint;
  lastEpoch: number;
  /** In the broker's session, or in the last request. */
  isSent: boolean;
}

export interface LoopEvents {
  /** Something passes by itself, or the partition is led elsewhere now. */
  readonly moved: (subscription: Subscription, error: Error) => void;
  readonly failed: (subscription: Subscription, error: Error) => void;
  /** The broker does not have the position, by itself or because of a leader epoch. */
  readonly outOfRange: (subscription: Subscription) => void;
  /** The leader names a replica in our rack. Whatever goes wrong there leads back to the leader. */
  readonly closer: (subscription: Subscription, replica: number) => void;
  /** The first answer of this loop. */
  readonly answered: () => void;
}

/** The long poll at one broker. Ends when it has no partitions left, throws when the broker is away. */
export class LeaderLoop {
  readonly #nodeId: number;
  readonly #options: FetcherOptions;
  readonly #events: LoopEvents;
  readonly #session = new FetchSession();
  readonly #asked = new Map<string, Asked>();
  #removed: Asked[] = [];
  #wake: (() => void) | undefined;

  constructor(nodeId: number, options: FetcherOptions, events: LoopEvents) {
    this.#nodeId = nodeId;
    this.#options = options;
    this.#events = events;
  }

  get subscriptions(): readonly Subscription[] {
    return [...this.#asked.values()].map(({ subscription }) => subscription);
  }

  wake(): void {
    this.#wake?.();
  }

  add(subscription: Subscription): void {
    const { partition, topicId = "" } = subscription;
    const key = `${topicId}/${partition}`;
    const before = this.#asked.get(key);
    if (before) this.remove(before.subscription);
    this.#asked.set(key, {
      ...{ subscription, topicId, partition },
      ...{ offset: -1n, lastEpoch: -1, isSent: false },
    });
  }

  remove(subscription: Subscription): void {
    const key = `${subscription.topicId ?? ""}/${subscription.partition}`;
    const asked = this.#asked.get(key);
    if (asked?.subscription !== subscription) return;
    this.#asked.delete(key);
    if (asked.isSent) this.#removed.push(asked);
  }

  async run(): Promise<void> {
    const { cluster, signal, ready, clock = systemClock } = this.#options;
    // The first assignment comes in the same turn as the loop itself.
    await Promise.resolve();
    let hasAnswered = false;
    while (this.#asked.size > 0 && !signal.aborted) {
      await ready?.(signal);
      if (!this.#hasActive()) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
        continue;
      }
      const response = await this.#poll(cluster, signal);
      if (!hasAnswered) this.#events.answered();
      hasAnswered = true;
      this.#handle(response);
      if (response.frame.holders === 0) this.#options.frames?.give(response.frame.bytes);
      if (response.throttleMs > 0) await clock.sleep(response.throttleMs, signal);
    }
  }

  #hasActive(): boolean {
    for (const { subscription } of this.#asked.values()) if (!subscription.paused) return true;
    return false;
  }

  async #poll(cluster: Cluster, signal: AbortSignal): Promise<FetchResponse> {
    const connection = await cluster.connection(this.#nodeId, "fetch", signal);
    connection.require(fetchApi);
    const body = this.#request();
    const response = readFetch(
      await connection.request(fetchApi, body, { signal, timeoutMs: 30_000 }),
    );
    if (response.throttleMs > 0) connection.throttled(response.throttleMs);
    return response;
  }

  #request() {
    const { waitMs = 500, bytesMax = 8 << 20, committedOnly, cluster } = this.#options;
    const session = this.#session;
    return writeFetch({
      waitMs,
      bytesMin: 1,
      bytesMax,
      committedOnly,
      rack: cluster.options.rack,
      ...(session.isOpen
        ? session.next(this.#changed(false), this.#forgotten())
        : session.whole(this.#changed(true))),
    });
  }

  /**
   * What the broker has to be told, all of it or what differs from the last time. With thousands of
   * partitions, of which few have news, this is the cost of a poll: it makes nothing for the others.
   */
  #changed(isAll: boolean): FetchPartition[] {
    const { partitionBytesMax = 1 << 20 } = this.#options;
    const changed: FetchPartition[] = [];
    for (const asked of this.#asked.values()) {
      const { nextOffset, lastEpoch, paused } = asked.subscription;
      if (paused) {
        if (asked.isSent) this.#removed.push(asked);
        asked.isSent = false;
        continue;
      }
      const isSame = asked.isSent && asked.offset === nextOffset && asked.lastEpoch === lastEpoch;
      if (isSame && !isAll) continue;
      asked.isSent = true;
      asked.offset = nextOffset;
      asked.lastEpoch = lastEpoch;
      const { topicId, partition } = asked;
      changed.push({
        topicId,
        partition,
        offset: nextOffset,
        lastEpoch,
        bytesMax: partitionBytesMax,
      });
    }
    if (isAll) this.#removed = [];
    return changed;
  }

  #forgotten(): Asked[] {
    // Those that came back meanwhile are asked for in the same request.
    const forgotten = this.#removed.filter(
      ({ topicId, partition }) => !(this.#asked.get(`${topicId}/${partition}`)?.isSent ?? false),
    );
    this.#removed = [];
    return forgotten;
  }

  #handle(response: FetchResponse): void {
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
    for (const answer of response.partitions) this.#sort(answer, response.frame);
  }

  #sort(answer: FetchedPartition, frame: Frame): void {
    const asked = this.#asked.get(`${answer.topicId}/${answer.partition}`);
    // The owner may read elsewhere since the request: the answer is to an old question then, and
    // what stands between the two positions would be passed over in silence.
    if (!asked?.isSent || asked.subscription.nextOffset !== asked.offset) return;
    const { subscription } = asked;
    if (answer.error !== errorCode.none) this.#refused(subscription, answer.error);
    else if (answer.preferredReplica >= 0 && answer.preferredReplica !== this.#nodeId) {
      this.remove(subscription);
      this.#events.closer(subscription, answer.preferredReplica);
    } else if (answer.diverging) {
      this.#events.failed(subscription, diverged(subscription, answer));
    } else this.#deliver(subscription, answer, frame);
  }

  #deliver(subscription: Subscription, answer: FetchedPartition, frame: Frame): void {
    const from = subscription.nextOffset;
    const batches: Batch[] = [];
    try {
      for (const batch of batchesOf(answer.records, from)) batches.push(batch);
    } catch (error) {
      // One damaged partition must not stop the others of its broker; and what stands before the
      // damage is not damaged.
      if (batches.length === 0) {
        this.#events.failed(subscription, error as Error);
        return;
      }
    }
    const last = batches.at(-1);
    if (last) {
      subscription.nextOffset = last.lastOffset + 1n;
      subscription.lastEpoch = last.leaderEpoch;
    }
    const fetched: Fetched = { subscription, from, batches, answer, frame };
    this.#options.onFetched(fetched);
  }

  #refused(subscription: Subscription, code: number): void {
    const { topic, partition, nextOffset } = subscription;
    if (code === errorCode.offsetOutOfRange) {
      if (subscription.lastEpoch >= 0) {
        // The broker also says so when it no longer knows the epoch: ask again without it.
        subscription.lastEpoch = -1;
        return;
      }
      this.remove(subscription);
      this.#events.outOfRange(subscription);
      return;
    }
    const need = { operation: "Read", name: topic } as const;
    const error = brokerError(`fetch ${topic}-${partition} from ${nextOffset}`, code, null, need);
    const isPassing = retryOf(error) !== "never" && !(error instanceof NotAuthorizedError);
    if (isPassing || isStaleMetadata(code)) {
      this.remove(subscription);
      this.#events.moved(subscription, error);
    } else this.#events.failed(subscription, error);
  }
}

function diverged(subscription: Subscription, answer: FetchedPartition): Error {
  const { topic, partition, nextOffset } = subscription;
  const end = answer.diverging?.endOffset ?? -1n;
  return new LogDivergedError(
    `read ${topic}-${partition} from ${nextOffset}: the leader's log parts from what was read at offset ${end}: ${nextOffset - end} offsets were lost at the source after they had been read; check for an unclean leader election`,
    end,
  );
}
