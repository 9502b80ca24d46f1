import { retry } from "@hybridge/core";
import type { ClusterOptions } from "./api.ts";
import { ConnectionLostError, retryUntold, UnknownTopicError } from "./errors.ts";
import { Connection, type Api } from "./wire/connection.ts";
import {
  metadataApi,
  readMetadata,
  writeMetadata,
  type BrokerAddress,
  type Metadata,
  type TopicMetadata,
} from "./wire/metadata.ts";
import { brokerError } from "./wire/protocol-errors.ts";
import type { FramePool } from "./wire/frame-pool.ts";
import type { ProtocolReader } from "./wire/reader.ts";
import {
  findCoordinatorApi,
  readFindCoordinator,
  writeFindCoordinator,
  type CoordinatorKind,
} from "./wire/transaction.ts";
import type { ProtocolWriter } from "./wire/writer.ts";

/**
 * What a connection is for. A broker works through one connection in order, so that a fetch that
 * waits for data would hold up whatever stands behind it.
 */
export type Lane =
  | "control"
  | "fetch"
  | "scan"
  | "group"
  | "join"
  | "produce"
  | "positions"
  | "dead-letters"
  | `produce-${number}`;

/** The brokers of one cluster: who leads what, and one connection per broker and lane. */
export class Cluster implements AsyncDisposable {
  readonly options: ClusterOptions;
  readonly #frames: FramePool | undefined;
  readonly #connections = new Map<string, Promise<Connection>>();
  readonly #brokers = new Map<number, BrokerAddress>();
  readonly #topics = new Map<string, TopicMetadata>();
  /** By address: when no connection could be opened last, in monotonic milliseconds. */
  readonly #failedAt = new Map<string, number>();
  readonly #closed = new AbortController();

  /** With `frames`, answers to fetches stand in memory that is to be given back. */
  constructor(options: ClusterOptions, frames?: FramePool) {
    this.options = options;
    this.#frames = frames;
  }

  /** Asks the cluster; undefined means all topics. What is learnt is kept for leader(). */
  async describe(topics: readonly string[] | undefined, signal: AbortSignal): Promise<Metadata> {
    const connection = await this.any(signal);
    const metadata = readMetadata(
      await connection.request(metadataApi, writeMetadata(topics), { signal }),
    );
    // Those that left are not asked any more: each would cost a time-out.
    if (metadata.brokers.length > 0) this.#brokers.clear();
    for (const broker of metadata.brokers) this.#brokers.set(broker.nodeId, broker);
    for (const topic of metadata.topics) {
      if (topic.error === 0) this.#topics.set(topic.name, topic);
      else this.#topics.delete(topic.name);
    }
    return metadata;
  }

  /**
   * @throws UnknownTopicError
   * @throws NotAuthorizedError that names Read, which implies Describe and whoever asks will need
   */
  async topic(name: string, signal: AbortSignal): Promise<TopicMetadata> {
    const [topic] = (await this.describe([name], signal)).topics;
    if (!topic || topic.error !== 0) {
      const attempt = `look up topic ${name} at ${this.options.bootstrap}`;
      throw brokerError(attempt, topic?.error ?? 3, null, { operation: "Read", name });
    }
    return topic;
  }

  /** The topic as it was last seen. */
  known(name: string): TopicMetadata | undefined {
    return this.#topics.get(name);
  }

  /** Forgets a topic, so that the next leader() asks anew. */
  forget(name: string): void {
    this.#topics.delete(name);
  }

  /** The node that leads a partition, from memory or by asking. */
  async leader(name: string, partition: number, signal: AbortSignal): Promise<number> {
    const topic = this.#topics.get(name) ?? (await this.topic(name, signal));
    const entry = topic.partitions.find((candidate) => candidate.partition === partition);
    if (!entry) {
      this.forget(name);
      throw new UnknownTopicError(
        `find the leader of ${name}-${partition}: the topic has ${topic.partitions.length} partitions`,
      );
    }
    if (entry.leader < 0) {
      this.forget(name);
      throw brokerError(`find the leader of ${name}-${partition}`, 5);
    }
    return entry.leader;
  }

  /** A live connection to a broker, opened if need be. */
  async connection(nodeId: number, lane: Lane, signal: AbortSignal): Promise<Connection> {
    const broker = this.#brokers.get(nodeId);
    if (!broker) {
      throw new ConnectionLostError(`connect to broker ${nodeId}: the cluster no longer lists it`);
    }
    return await this.#connect(broker, `${nodeId}/${lane}`, signal);
  }

  /**
   * A connection to any broker that answers: those known first, then the bootstrap list; last those
   * that could not be reached lately.
   */
  async any(signal: AbortSignal): Promise<Connection> {
    const failures: unknown[] = [];
    const known = [...this.#brokers.values()].map((broker): Candidate => [
      broker,
      `${broker.nodeId}/control`,
    ]);
    const seeds = this.options.bootstrap.split(",").map((entry): Candidate => {
      const at = entry.trim().lastIndexOf(":");
      const host = entry
        .trim()
        .slice(0, at)
        .replace(/^\[|\]$/g, "");
      const port = Number(entry.trim().slice(at + 1));
      return [{ nodeId: -1, host, port }, `seed/${host}:${port}`];
    });
    const failedAt = ([broker]: Candidate) => this.#failedAt.get(addressOf(broker)) ?? -Infinity;
    // Sorting is stable, and for the most part there is nothing to sort.
    const candidates = [...known, ...seeds].sort((a, b) => compare(failedAt(a), failedAt(b)));
    for (const [broker, key] of candidates) {
      try {
        return await this.#connect(broker, key, signal);
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
      }
    }
    throw lastOf(failures, this.options.bootstrap);
  }

  async coordinator(kind: CoordinatorKind, key: string, signal: AbortSignal): Promise<Connection> {
    return await this.connection(await this.findCoordinator(kind, key, signal), "control", signal);
  }

  /** The node that coordinates a group or a transactional id now. */
  async findCoordinator(kind: CoordinatorKind, key: string, signal: AbortSignal): Promise<number> {
    const connection = await this.any(signal);
    const body = writeFindCoordinator(kind, key);
    const reader = await connection.request(findCoordinatorApi, body, { signal });
    // Describe would do for this answer, but not for what the coordinator is asked then.
    const need = { operation: kind === "group" ? "Read" : "Write", name: key } as const;
    const address = readFindCoordinator(reader, `find the ${kind} coordinator of ${key}`, need);
    this.#brokers.set(address.nodeId, address);
    return address.nodeId;
  }

  /** Sends a request to the leader of a partition. */
  async askLeader<T>(
    at: { topic: string; partition: number; lane?: Lane },
    api: Api,
    body: () => ProtocolWriter,
    read: (reader: ProtocolReader) => T,
    signal: AbortSignal,
  ): Promise<T> {
    const leader = await this.leader(at.topic, at.partition, signal);
    try {
      const connection = await this.connection(leader, at.lane ?? "control", signal);
      connection.require(api);
      return read(await connection.request(api, body(), { signal }));
    } catch (error) {
      this.forget(at.topic);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new ConnectionLostError("the client was closed"));
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    for (const result of await Promise.allSettled(connections)) {
      if (result.status === "fulfilled") result.value.destroy();
    }
  }

  async #connect(broker: BrokerAddress, key: string, signal: AbortSignal): Promise<Connection> {
    this.#closed.signal.throwIfAborted();
    const existing = this.#connections.get(key);
    if (existing) {
      const connection = await existing.catch(() => undefined);
      if (connection?.alive && connection.address === addressOf(broker)) {
        return connection;
      }
      if (this.#connections.get(key) === existing) this.#connections.delete(key);
      return await this.#connect(broker, key, signal);
    }
    const opening = Connection.open({
      host: broker.host,
      port: broker.port,
      cluster: this.options,
      // Whoever else waits for this connection must not fail with the first one's signal.
      signal: this.#closed.signal,
      ...(this.#frames && key.endsWith("/fetch") ? { frames: this.#frames } : {}),
    });
    this.#connections.set(key, opening);
    opening.then(
      () => this.#failedAt.delete(addressOf(broker)),
      () => {
        this.#failedAt.set(addressOf(broker), performance.now());
        if (this.#connections.get(key) === opening) this.#connections.delete(key);
      },
    );
    const connection = await opening;
    signal.throwIfAborted();
    return connection;
  }
}

/** A broker, and the key of the connection to it. */
type Candidate = readonly [broker: BrokerAddress, key: string];

function addressOf({ host, port }: BrokerAddress): string {
  return `${host}:${port}`;
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

function lastOf(failures: readonly unknown[], bootstrap: string): unknown {
  // What is wrong with credentials or versions says more than what is wrong with the network.
  const telling = failures.find((failure) => !(failure instanceof ConnectionLostError));
  return (
    telling ??
    new ConnectionLostError(
      `reach the Kafka cluster at ${bootstrap}: no broker answers; check that it runs and that the address is right`,
      { cause: failures.at(-1) },
    )
  );
}

/** Runs `body` with a cluster of its own and retries what can pass by itself, for a while. */
export async function withCluster<T>(
  options: ClusterOptions,
  signal: AbortSignal,
  body: (cluster: Cluster) => Promise<T>,
  tries = 8,
): Promise<T> {
  await using cluster = new Cluster(options);
  return await retry(() => body(cluster), { signal, tries, maxMs: 2_000, classify: retryUntold });
}
