import type { ClusterOptions, KafkaRecord, OpenReader } from "@hybridge/kafka";

/** The part of a topic that is final: by partition the first offset that there is, and where the fence stands. */
export type Ranges = ReadonlyMap<number, { readonly start: bigint; readonly end: bigint }>;

export interface TopicReading {
  readonly openReader: OpenReader;
  readonly cluster: ClusterOptions;
  readonly topic: string;
  readonly signal: AbortSignal;
}

/** Reads the records of one partition from an offset up to another. */
export async function readRange(
  { openReader, cluster, topic, signal }: TopicReading,
  at: { readonly partition: number; readonly from: bigint; readonly end: bigint },
  onRecord: (record: KafkaRecord) => void,
): Promise<void> {
  const { partition, from, end } = at;
  if (from >= end) return;
  const done = new AbortController();
  const reader = openReader({
    cluster,
    topic,
    positions: new Map([[partition, from]]),
    signal: AbortSignal.any([signal, done.signal]),
  });
  try {
    for await (const { records, nextOffset } of reader) {
      for (const record of records) {
        if (record.offset >= end) break;
        onRecord(record);
      }
      if (nextOffset >= end) break;
    }
  } finally {
    done.abort();
  }
  // A reader that is stopped ends quietly: half an answer is none.
  signal.throwIfAborted();
}

export function headerOf(record: KafkaRecord, name: string): string | undefined {
  return record.headers.find(([each]) => each === name)?.[1]?.toString("latin1");
}

/** Partitions are read side by side, a few at a time would do as well: they share one connection. */
export async function eachPartition<T>(
  ranges: Ranges,
  action: (partition: number, start: bigint, end: bigint) => Promise<T>,
): Promise<ReadonlyMap<number, T>> {
  const found = await Promise.all(
    [...ranges].map(async ([partition, { start, end }]) => {
      return [partition, await action(partition, start, end)] as const;
    }),
  );
  return new Map(found);
}
