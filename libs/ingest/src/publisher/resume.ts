import type { ClusterOptions, KafkaRecord, OpenReader } from "@hybridge/kafka";
import { later, parseSequence, sequenceHeader, type Place, type Sequence } from "./sequence.ts";

/**
 * No post is appended while one that is this many items older is not. So whatever is older than
 * the youngest post by this much is settled, even where a partition no longer has a record to tell.
 */
export const WINDOW = 10_000;

/** Before the first place of a stream, and behind its last. */
export const NOTHING: Place = { item: -1, index: 0 };
export const EVERYTHING: Place = { item: Infinity, index: 0 };

/** How much of one stream the topic has. */
export interface StreamProgress {
  readonly name: string;
  /** How many partitions the keys are spread over: as at the beginning of the stream. */
  readonly partitions: number;
  /** By partition: posts up to and including this place are settled. */
  readonly settled: readonly Place[];
}

/** How much of a source the topic has. */
export interface ResumePoint {
  /** The streams of the source in their order. */
  readonly streams: readonly StreamProgress[];
  /** Whether the topic has records of these streams only, each written after those before it. */
  readonly isAlone: boolean;
  /** The newest place that the topic has of the source: "a.json, place 17". */
  readonly newest: string | undefined;
  /** Other streams that the topic also holds. */
  readonly otherStreams: readonly string[];
}

/** What the topic tells of those who wrote before. */
export interface LogView {
  /** Of the topic, now. */
  readonly partitions: number;
  /** The last sequence in each partition, of whatever stream. */
  newest(): Promise<ReadonlyMap<number, Sequence | undefined>>;
  /** By partition, then by stream, the last sequence. Reads the whole topic. */
  all(): Promise<ReadonlyMap<number, ReadonlyMap<string, Sequence>>>;
}

export interface LogViewOptions {
  readonly openReader: OpenReader;
  readonly cluster: ClusterOptions;
  readonly topic: string;
  /** By partition: the first offset that the broker has, and where the fence was set. */
  readonly ranges: ReadonlyMap<number, { readonly start: bigint; readonly end: bigint }>;
  /** Told when the whole topic must be read. */
  readonly onReadAll: () => void;
  readonly signal: AbortSignal;
}

/** How many offsets before the end to look at first; the next steps are larger. */
const LOOK_BACK = [64n, 8_192n];

export function viewLog(options: LogViewOptions): LogView {
  const each = async <T>(
    action: (partition: number, start: bigint, end: bigint) => Promise<T>,
  ): Promise<ReadonlyMap<number, T>> => {
    const found = await Promise.all(
      [...options.ranges].map(async ([partition, { start, end }]) => {
        return [partition, await action(partition, start, end)] as const;
      }),
    );
    return new Map(found);
  };
  return {
    partitions: options.ranges.size,
    newest: () => each((partition, start, end) => newestSequence(options, partition, start, end)),
    all: () => {
      options.onReadAll();
      return each(async (partition, start, end) => {
        const lasts = new Map<string, Sequence>();
        await readSequences(options, partition, start, end, (sequence) => {
          const known = lasts.get(sequence.stream);
          lasts.set(sequence.stream, known ? later(sequence, known) : sequence);
        });
        return lasts;
      });
    },
  };
}

/**
 * Mostly it is in the last record. Control records (each fence leaves one) and records of other
 * writers may stand behind it, so this looks back further and further, at last through all.
 */
async function newestSequence(
  options: LogViewOptions,
  partition: number,
  start: bigint,
  end: bigint,
): Promise<Sequence | undefined> {
  for (const distance of [...LOOK_BACK, end]) {
    const from = end - distance > start ? end - distance : start;
    let found: Sequence | undefined;
    await readSequences(options, partition, from, end, (sequence) => {
      found = sequence;
    });
    if (found || from === start) return found;
  }
  return undefined;
}

async function readSequences(
  options: LogViewOptions,
  partition: number,
  from: bigint,
  end: bigint,
  onSequence: (sequence: Sequence) => void,
): Promise<void> {
  if (from >= end) return;
  const done = new AbortController();
  const reader = options.openReader({
    cluster: options.cluster,
    topic: options.topic,
    positions: new Map([[partition, from]]),
    signal: AbortSignal.any([options.signal, done.signal]),
  });
  try {
    for await (const { records, nextOffset } of reader) {
      for (const record of records) {
        if (record.offset >= end) break;
        const sequence = sequenceOf(record);
        if (sequence) onSequence(sequence);
      }
      if (nextOffset >= end) break;
    }
  } finally {
    done.abort();
  }
  // A reader that is stopped ends quietly: half an answer is none.
  options.signal.throwIfAborted();
}

function sequenceOf(record: KafkaRecord): Sequence | undefined {
  const header = record.headers.find(([name]) => name === sequenceHeader)?.[1];
  return header ? parseSequence(header.toString("latin1")) : undefined;
}
