import { Notifier, UnavailableError } from "@hybridge/core";
import type { FlushRecord } from "../encoder-port.ts";
import type { LandingSource, SourceBatch, SourceFailure } from "../source-port.ts";

interface MemoryPartition {
  start: bigint;
  /** Undefined: a control record, or one that compaction took out. */
  readonly records: (FlushRecord | undefined)[];
  /** Batches that begin here are damaged, up to the offset. */
  readonly damaged: Map<bigint, bigint>;
}

/** A topic in memory; several sources may read it, as several processes would. */
export class MemoryTopic {
  readonly #batchMax: number;
  readonly #partitions: MemoryPartition[] = [];
  readonly changed = new Notifier();
  topicId: string;

  constructor(options: {
    readonly partitions: number;
    readonly batchMax?: number;
    topicId?: string;
  }) {
    this.#batchMax = options.batchMax ?? 7;
    this.topicId = options.topicId ?? "A";
    this.grow(options.partitions);
  }

  get partitions(): number {
    return this.#partitions.length;
  }

  grow(partitions: number): void {
    while (this.#partitions.length < partitions) {
      this.#partitions.push({ start: 0n, records: [], damaged: new Map() });
    }
    this.changed.notify();
  }

  /** Deletes the topic and makes it again. */
  recreate(topicId: string): void {
    const { length } = this.#partitions;
    this.#partitions.length = 0;
    this.topicId = topicId;
    this.grow(length);
  }

  /** Appends records; undefined is an offset without a record. @returns the first offset */
  append(partition: number, values: readonly (string | undefined)[], timestampMs = 0): bigint {
    const { records } = this.#at(partition);
    const first = BigInt(records.length);
    for (const value of values) {
      records.push(
        value === undefined
          ? undefined
          : {
              offset: BigInt(records.length),
              timestampMs,
              key: null,
              value: Buffer.from(value),
              headers: [],
            },
      );
    }
    this.changed.notify();
    return first;
  }

  /** Retention: records below are gone. */
  deleteBelow(partition: number, start: bigint): void {
    this.#at(partition).start = start;
  }

  /** An unclean election: records from `end` on are gone. */
  truncate(partition: number, end: bigint): void {
    this.#at(partition).records.length = Number(end);
  }

  damage(partition: number, from: bigint, to: bigint): void {
    this.#at(partition).damaged.set(from, to);
  }

  end(partition: number): bigint {
    return BigInt(this.#at(partition).records.length);
  }

  /** What a reader at `offset` is given; undefined when there is nothing yet. */
  readAt(
    partition: number,
    position: bigint,
    topicId: string | undefined,
  ): SourceBatch | SourceFailure | undefined {
    const { start, records, damaged } = this.#at(partition);
    const end = BigInt(records.length);
    const failed = (reason: SourceFailure["reason"], more: Partial<SourceFailure> = {}) => {
      const error = new UnavailableError(`partition ${partition} at ${position}: ${reason}`);
      return { kind: "failed", partition, reason, position, error, ...more } as const;
    };
    if (topicId !== undefined && topicId !== this.topicId) return failed("recreated");
    if (position < start || position > end) {
      return failed("out-of-range", { startOffset: start, endOffset: end });
    }
    const skipTo = damaged.get(position);
    if (skipTo !== undefined) return failed("corrupt", { skipTo });
    if (position === end) return undefined;
    let to = position + BigInt(this.#batchMax);
    if (to > end) to = end;
    for (const at of damaged.keys()) if (at > position && at < to) to = at;
    const found = records.slice(Number(position), Number(to)).filter((each) => each !== undefined);
    const bytes = found.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    const batch = { kind: "batch", partition, from: position, records: found, bytes } as const;
    return { ...batch, nextOffset: to, lastStableOffset: end };
  }

  #at(partition: number): MemoryPartition {
    const found = this.#partitions[partition];
    if (!found) throw new RangeError(`no partition ${partition}`);
    return found;
  }
}

/** Reads a topic in memory as a process would, until the signal is aborted. */
export function memoryLandingSource(topic: MemoryTopic, signal: AbortSignal): LandingSource {
  const positions = new Map<number, { offset: bigint; topicId: string | undefined }>();
  const disposed = new AbortController();
  const ended = AbortSignal.any([signal, disposed.signal]);

  function* look(): Generator<SourceBatch | SourceFailure> {
    for (const [partition, position] of positions) {
      const result = topic.readAt(partition, position.offset, position.topicId);
      if (result === undefined) continue;
      if (result.kind === "failed") positions.delete(partition);
      else position.offset = result.nextOffset;
      yield result;
    }
  }

  async function* iterate(): AsyncGenerator<SourceBatch | SourceFailure> {
    while (!ended.aborted) {
      const [next] = look();
      if (next) {
        // The next partition comes first the next time.
        const position = positions.get(next.partition);
        if (position && positions.delete(next.partition)) positions.set(next.partition, position);
        yield next;
      } else await topic.changed.wait(ended);
    }
  }

  return {
    add(partition, offset, topicId) {
      positions.set(partition, { offset, topicId });
      topic.changed.notify();
    },
    remove: (partition) => void positions.delete(partition),
    [Symbol.asyncIterator]: iterate,
    [Symbol.asyncDispose]() {
      disposed.abort();
      return Promise.resolve();
    },
  };
}
