import type { KafkaRecord, OpenReader, PartitionRecords, ReaderOptions } from "./api.ts";
import { Cluster } from "./cluster.ts";
import { Fetcher, type Fetched } from "./fetcher.ts";
import { makeCommittedFilter } from "./wire/committed.ts";
import { decodeRecords } from "./wire/record.ts";

const BUFFER_BYTES = 16 << 20;

export const openReader: OpenReader = (options) => ({
  [Symbol.asyncIterator]: () => read(options),
});

/** What was fetched and waits for the consumer, bounded in bytes. */
class Backlog {
  readonly #bytesMax: number;
  readonly #items: Fetched[] = [];
  #bytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #arrived: (() => void) | undefined;
  #drained: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  push(fetched: Fetched): void {
    this.#items.push(fetched);
    this.#bytes += fetched.answer.records?.length ?? 0;
    this.#arrived?.();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.wake();
  }

  wake(): void {
    this.#arrived?.();
    this.#release();
  }

  async room(signal: AbortSignal): Promise<void> {
    while (this.#bytes >= this.#bytesMax && !signal.aborted && !this.#failure) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
  }

  /** The next item; undefined after an abort. */
  async take(signal: AbortSignal): Promise<Fetched | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      const item = this.#items.shift();
      if (item) {
        this.#bytes -= item.answer.records?.length ?? 0;
        if (this.#bytes < this.#bytesMax) this.#release();
        return item;
      }
      if (this.#failure) throw this.#failure.error;
      await new Promise<void>((resolve) => (this.#arrived = resolve));
      this.#arrived = undefined;
    }
  }

  #release(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const resolve of waiting) resolve();
  }
}

async function* read(options: ReaderOptions): AsyncGenerator<PartitionRecords> {
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  const backlog = new Backlog(options.bufferBytesMax ?? BUFFER_BYTES);
  await using cluster = new Cluster(options.cluster);
  const fetcher = new Fetcher({
    cluster,
    committedOnly: true,
    signal,
    onFetched: (fetched) => backlog.push(fetched),
    onFailed: (_, error) => backlog.fail(error),
    ready: (until) => backlog.room(until),
  });
  const onAbort = () => backlog.wake();
  signal.addEventListener("abort", onAbort, { once: true });
  let running: Promise<void> | undefined;
  try {
    for (const [partition, position] of options.positions) {
      fetcher.add({
        topic: options.topic,
        partition,
        nextOffset: position === "earliest" ? -1n : position,
        lastEpoch: -1,
        topicId: undefined,
        paused: false,
      });
    }
    running = fetcher.run();
    running.catch((error: unknown) => backlog.fail(error));
    const told = new Map<number, string>();
    for (;;) {
      const fetched = await backlog.take(signal);
      if (!fetched) return;
      const item = decode(fetched);
      const news = `${item.nextOffset}/${item.endOffset}`;
      if (item.records.length === 0 && told.get(item.partition) === news) continue;
      told.set(item.partition, news);
      yield item;
    }
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    ended.abort();
    await running?.catch(() => undefined);
  }
}

/** @throws CorruptBatchError, MalformedError */
function decode({ subscription, from, batches, answer }: Fetched): PartitionRecords {
  const { topic, partition } = subscription;
  const isCommitted = makeCommittedFilter(answer.aborted);
  const records: KafkaRecord[] = [];
  let next = from;
  for (const batch of batches) {
    next = batch.lastOffset + 1n;
    if (!isCommitted(batch)) continue;
    batch.verify(`${topic}-${partition}`);
    for (const record of decodeRecords(batch)) if (record.offset >= from) records.push(record);
  }
  return { topic, partition, records, nextOffset: next, endOffset: answer.lastStableOffset };
}
