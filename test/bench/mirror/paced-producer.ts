import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterOptions, RecordToSend } from "@hybridge/kafka";
import { buildBatch, compress, encodeRecords } from "@hybridge/kafka/raw";
import { BatchWriter, type Placed } from "./batch-writer.ts";
import { makePosts } from "./posts.ts";
import { codec } from "./shapes.ts";

const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;
/** As a producer that lingers: each partition has a batch every so often, its neighbours between. */
const LINGER_MS = 10;
const TICK_MS = 1;
const POSTS = 500;
/** Some 300 KB in lz4: a broker takes no batch over a megabyte. */
const BATCH_RECORDS_MAX = 2_000;
const KEY_BYTES = 8;

/** The number that was put into a record's key: how many of its partition came before it. */
export function sequenceOf(key: Buffer | null): number {
  return key?.length === KEY_BYTES ? Number(key.readBigUInt64BE(0)) : -1;
}

/** Sends posts at a rate, in lz4 batches that are as large as the rate makes them. */
export class PacedProducer implements AsyncDisposable {
  /** Records sent so far, by partition. */
  readonly sent: number[];
  readonly #topic: string;
  readonly #writer: BatchWriter;
  readonly #posts: readonly RecordToSend[] = makePosts(0, POSTS, 0);

  private constructor(topic: string, partitions: number, writer: BatchWriter) {
    this.#topic = topic;
    this.#writer = writer;
    this.sent = Array<number>(partitions).fill(0);
  }

  static async open(
    cluster: ClusterOptions,
    topic: string,
    partitions: number,
    signal: AbortSignal,
  ): Promise<PacedProducer> {
    const writer = await BatchWriter.open(cluster, topic, signal);
    return new PacedProducer(topic, partitions, writer);
  }

  /** Sends one batch and waits until it is in the log. */
  async sendOne(partition: number, count: number, signal: AbortSignal): Promise<void> {
    this.#writer.send([this.#batch(partition, count)]);
    await this.#writer.flush(signal);
  }

  /** Sends `rate` records per second for so long. */
  async run(rate: number, durationMs: number, signal: AbortSignal): Promise<void> {
    const partitions = this.sent.length;
    const perMs = rate / partitions / 1000;
    const begin = performance.now();
    const already = [...this.sent];
    const nextMs = already.map((_, partition) => (partition * LINGER_MS) / partitions);
    for (;;) {
      const elapsedMs = performance.now() - begin;
      if (elapsedMs >= durationMs) break;
      for (let partition = 0; partition < partitions; partition++) {
        if (elapsedMs < (nextMs[partition] ?? 0)) continue;
        // Whoever comes late sends what has gathered, as a producer would.
        const due = Math.floor(elapsedMs * perMs) + (already[partition] ?? 0);
        for (let left = due - (this.sent[partition] ?? 0); left > 0; left -= BATCH_RECORDS_MAX) {
          this.#writer.send([this.#batch(partition, Math.min(left, BATCH_RECORDS_MAX))]);
        }
        nextMs[partition] = elapsedMs + LINGER_MS;
      }
      await sleep(TICK_MS, undefined, { signal });
    }
    await this.#writer.flush(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  #batch(partition: number, count: number): Placed {
    const now = Date.now();
    const from = this.sent[partition] ?? 0;
    this.sent[partition] = from + count;
    const keys = Buffer.allocUnsafe(count * KEY_BYTES);
    const records = Array.from({ length: count }, (_, index) => {
      const at = index * KEY_BYTES;
      keys.writeBigUInt64BE(BigInt(from + index), at);
      const value = this.#posts[(from + index) % POSTS]?.value ?? null;
      return { key: keys.subarray(at, at + KEY_BYTES), value, headers: [], timestampMs: now };
    });
    const batch = buildBatch(compress(codec.lz4, encodeRecords(records, now)), {
      ...NOBODY,
      codec: codec.lz4,
      count,
      baseTimestamp: BigInt(now),
      maxTimestamp: BigInt(now),
    });
    return { topic: this.#topic, partition, batch };
  }
}
