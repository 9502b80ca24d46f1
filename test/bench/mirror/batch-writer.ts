import { readOffsets, type ClusterOptions } from "@hybridge/kafka";
import {
  Cluster,
  produceApi,
  readProduce,
  writeProduce,
  type Connection,
} from "@hybridge/kafka/raw";

/** A batch as it stands in the log, and the partition that it is for. */
export interface Placed {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
}

const TIMEOUT_MS = 30_000;

/** Appends finished batches to the one broker of a cluster, several requests under way, in order. */
export class BatchWriter implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #connection: Connection;
  readonly #depth: number;
  #underWay = 0;
  #failure: { readonly error: unknown } | undefined;
  #changed: (() => void) | undefined;

  private constructor(cluster: Cluster, connection: Connection, depth: number) {
    this.#cluster = cluster;
    this.#connection = connection;
    this.#depth = depth;
  }

  /** @param topic any that exists: its first leader is the broker */
  static async open(
    options: ClusterOptions,
    topic: string,
    signal: AbortSignal,
    depth = 8,
  ): Promise<BatchWriter> {
    // Retried until the broker leads all partitions, which is later than that it says so.
    await readOffsets(options, topic, signal);
    const cluster = new Cluster(options);
    const leader = await cluster.leader(topic, 0, signal);
    return new BatchWriter(cluster, await cluster.connection(leader, "produce", signal), depth);
  }

  /** Sends one request and waits while too many are under way. @throws what an earlier one met */
  async append(batches: readonly Placed[], signal: AbortSignal): Promise<void> {
    this.send(batches);
    await this.#until(this.#depth - 1, signal);
  }

  /** Sends one request and does not wait. */
  send(batches: readonly Placed[]): void {
    this.#underWay += 1;
    this.#connection
      .request(produceApi, writeProduce(batches, TIMEOUT_MS))
      .then((reader) => {
        const refused = readProduce(reader).find(({ error }) => error !== 0);
        if (refused) throw new Error(`${refused.topic}: the broker answered ${refused.error}`);
      })
      .catch((error: unknown) => (this.#failure ??= { error }))
      .finally(() => {
        this.#underWay -= 1;
        this.#changed?.();
      });
  }

  /** Waits until everything is acknowledged. @throws what a request met */
  async flush(signal: AbortSignal): Promise<void> {
    await this.#until(0, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }

  async #until(mostUnderWay: number, signal: AbortSignal): Promise<void> {
    while (this.#underWay > mostUnderWay && !this.#failure) {
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
    signal.throwIfAborted();
    if (this.#failure) throw this.#failure.error;
  }
}
