import { systemClock } from "@hybridge/core";
import { Cluster } from "../cluster.ts";
import { Fetcher, type Fetched, type Subscription } from "../fetcher.ts";
import type {
  OpenPartitions,
  PartitionBatch,
  PartitionResult,
  Partitions,
  PartitionsOptions,
} from "./api.ts";
import { failureOf } from "./failure.ts";
import { copied, Held, isDamage, type Taken } from "./held.ts";
import { UnpackedMemory } from "./unpacked-memory.ts";

const BUFFER_BYTES = 16 << 20;
const FETCH_BYTES = 8 << 20;

/** A partition that is read, and what of it is not delivered yet. */
interface Entry {
  readonly partition: number;
  readonly subscription: Subscription;
  held: Held[];
  failure: Error | undefined;
  isPaused: boolean;
  /** Where the last delivery ended. */
  position: bigint;
  /** The offset of a batch that was damaged when it was read first. */
  readAgainAt: bigint | undefined;
  /** Ends and position as they were last told. */
  told: string;
}

export const openPartitions: OpenPartitions = (options) =>
  new PartitionSource(options, new Cluster(options.cluster));

/** Partitions over one fetcher: queues by partition, delivered in turns. */
export class PartitionSource implements Partitions {
  readonly #options: PartitionsOptions;
  readonly #cluster: Cluster;
  readonly #fetcher: Fetcher;
  readonly #entries = new Map<number, Entry>();
  /** Those with something to deliver, in the order of their turns. */
  readonly #ready = new Set<Entry>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #running: Promise<void>;
  readonly #bytesMax: number;
  /** Of the result that is delivered now. */
  readonly #memory = new UnpackedMemory();
  #bytes = 0;
  /** Of those, what paused partitions hold: never so much that the others stand still. */
  #pausedBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #arrived: (() => void) | undefined;
  #drained: (() => void)[] = [];

  constructor(options: PartitionsOptions, cluster: Cluster) {
    this.#options = options;
    this.#cluster = cluster;
    this.#bytesMax = options.bufferBytesMax ?? BUFFER_BYTES;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#fetcher = new Fetcher({
      cluster,
      committedOnly: true,
      signal: this.#signal,
      clock: options.clock ?? systemClock,
      bytesMax: Math.min(FETCH_BYTES, this.#bytesMax / 2),
      onFetched: (fetched) => this.#onFetched(fetched),
      onFailed: (subscription, error) => this.#onFailed(subscription, error),
      onTrouble: (error) => this.#onTrouble(error),
      ready: (signal) => this.#room(signal),
    });
    const wake = () => {
      this.#arrived?.();
      this.#release();
    };
    this.#signal.addEventListener("abort", wake, { once: true });
    this.#running = this.#fetcher.run().catch((error: unknown) => {
      this.#failure = { error };
      wake();
    });
  }

  add(partition: number, offset: bigint | "earliest", topicId?: string): void {
    this.remove(partition);
    const nextOffset = offset === "earliest" || offset < 0n ? -1n : offset;
    const subscription: Subscription = {
      topic: this.#options.topic,
      partition,
      nextOffset,
      lastEpoch: -1,
      topicId,
      paused: false,
    };
    this.#entries.set(partition, {
      ...{ partition, subscription, held: [], failure: undefined, isPaused: false },
      ...{ position: nextOffset, readAgainAt: undefined, told: "" },
    });
    this.#fetcher.add(subscription);
  }

  remove(partition: number): void {
    const entry = this.#entries.get(partition);
    if (!entry) return;
    this.#entries.delete(partition);
    this.#fetcher.remove(entry.subscription);
    this.#drop(entry);
  }

  pause(partition: number): void {
    const entry = this.#entries.get(partition);
    if (!entry || entry.isPaused) return;
    entry.isPaused = true;
    entry.subscription.paused = true;
    this.#ready.delete(entry);
    for (const { bytes } of entry.held) this.#pausedBytes += bytes;
    // What has no room is read again later.
    if (entry.held.length > 0 && this.#pausedBytes > this.#bytesMax / 2) this.#rewind(entry);
  }

  resume(partition: number): void {
    const entry = this.#entries.get(partition);
    if (!entry?.isPaused) return;
    for (const { bytes } of entry.held) this.#pausedBytes -= bytes;
    entry.isPaused = false;
    entry.subscription.paused = false;
    this.#fetcher.wake();
    this.#offer(entry);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PartitionResult> {
    for (;;) {
      const [entry] = this.#ready;
      if (this.#signal.aborted) return;
      if (!entry) {
        if (this.#failure) throw this.#failure.error;
        await new Promise<void>((resolve) => (this.#arrived = resolve));
        this.#arrived = undefined;
        continue;
      }
      this.#ready.delete(entry);
      const result = this.#next(entry);
      this.#offer(entry);
      try {
        if (result) yield result;
      } finally {
        this.#memory.free();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the partitions were disposed of"));
    await this.#running;
    await this.#cluster[Symbol.asyncDispose]();
  }

  #onFetched(fetched: Fetched): void {
    const { subscription, from } = fetched;
    const entry = this.#entries.get(subscription.partition);
    if (entry?.subscription !== subscription) return;
    if (entry.position < 0n) entry.position = from;
    const bytes = fetched.answer.records?.length ?? 0;
    this.#bytes += bytes;
    if (entry.isPaused) {
      this.#pausedBytes += bytes;
      entry.held.push(new Held(copied(fetched)));
      if (this.#pausedBytes > this.#bytesMax / 2) this.#rewind(entry);
      return;
    }
    entry.held.push(new Held(fetched));
    this.#offer(entry);
  }

  #onFailed(subscription: Subscription, error: Error): void {
    const entry = this.#entries.get(subscription.partition);
    if (entry?.subscription !== subscription) return;
    // Bytes may be damaged on their way: they are fetched once more before that is believed.
    if (isDamage(error) && entry.readAgainAt !== subscription.nextOffset) {
      entry.readAgainAt = subscription.nextOffset;
      this.#fetcher.add(subscription);
      return;
    }
    entry.failure = error;
    this.#offer(entry);
  }

  #onTrouble(error: unknown): void {
    const message = `reading of ${this.#options.topic} waits for a broker; it is tried again`;
    this.#options.emit({ name: "kafka.fetch.waiting", level: "debug", message, error });
  }

  #offer(entry: Entry): void {
    const hasSomething = entry.held.length > 0 || entry.failure !== undefined;
    if (!hasSomething || entry.isPaused || this.#entries.get(entry.partition) !== entry) return;
    this.#ready.add(entry);
    this.#arrived?.();
  }

  #next(entry: Entry): PartitionResult | undefined {
    const [held] = entry.held;
    if (!held) return this.#giveUp(entry, entry.failure ?? new Error("nothing is held"));
    const from = entry.position;
    const taken = held.take(this.#memory);
    const { records, nextOffset, bytes, damage } = taken;
    entry.position = nextOffset;
    if (damage && records.length === 0 && nextOffset === from) {
      return this.#onDamage(entry, held, damage);
    }
    if (!damage && held.isDone) this.#take(entry, held);
    const { highWatermark, lastStableOffset, logStartOffset } = held.answer;
    const news = `${nextOffset}/${highWatermark}/${lastStableOffset}/${logStartOffset}`;
    if (records.length === 0 && news === entry.told) return undefined;
    entry.told = news;
    const ends = { highWatermark, lastStableOffset, logStartOffset };
    const { partition } = entry;
    return {
      kind: "batch",
      partition,
      from,
      records,
      nextOffset,
      ...ends,
      bytes,
    } satisfies PartitionBatch;
  }

  /** As for damage that the fetcher finds: the batch is fetched once more. */
  #onDamage(
    entry: Entry,
    held: Held,
    { batch, following, error }: NonNullable<Taken["damage"]>,
  ): PartitionResult | undefined {
    if (entry.readAgainAt !== entry.position) {
      entry.readAgainAt = entry.position;
      this.#rewind(entry);
      return undefined;
    }
    return this.#giveUp(entry, error, skipTo(batch, following, held.answer.highWatermark));
  }

  #giveUp(entry: Entry, error: Error, skip?: bigint): PartitionResult {
    this.remove(entry.partition);
    return failureOf(entry.partition, entry.position, error, skip);
  }

  /** Forgets what is held, and reads on from where the last delivery ended. */
  #rewind(entry: Entry): void {
    this.#drop(entry);
    entry.failure = undefined;
    const { subscription } = entry;
    // An answer that is on its way is to an old question now.
    this.#fetcher.remove(subscription);
    subscription.nextOffset = entry.position;
    subscription.lastEpoch = -1;
    this.#fetcher.add(subscription);
  }

  #drop(entry: Entry): void {
    this.#ready.delete(entry);
    for (const held of entry.held.slice()) this.#take(entry, held);
  }

  /** Takes something out of the buffer. */
  #take(entry: Entry, held: Held): void {
    entry.held = entry.held.filter((other) => other !== held);
    this.#bytes -= held.bytes;
    if (entry.isPaused) this.#pausedBytes -= held.bytes;
    if (this.#bytes < this.#bytesMax) this.#release();
  }

  async #room(signal: AbortSignal): Promise<void> {
    while (this.#bytes >= this.#bytesMax && !signal.aborted) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
  }

  /** Lets those look again who wait for room. */
  #release(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

/** Where reading can go on behind a batch whose own words cannot be trusted. */
function skipTo(
  batch: { readonly baseOffset: bigint; readonly lastOffset: bigint },
  following: { readonly baseOffset: bigint } | undefined,
  highWatermark: bigint,
): bigint | undefined {
  if (following && following.baseOffset > batch.baseOffset) return following.baseOffset;
  const { baseOffset, lastOffset } = batch;
  return lastOffset >= baseOffset && lastOffset < highWatermark ? lastOffset + 1n : undefined;
}
