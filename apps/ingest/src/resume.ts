import type { ClusterOptions, KafkaRecord, OpenReader } from "@hybridge/kafka";
import { invariant } from "@hybridge/core";

/**
 * Header of every record that ingest writes: `stream/ordinal/partitions`. The records of one
 * partition are appended in the order of their ordinals, so the last one tells which posts of the
 * stream the partition has; `partitions` is how many the keys were spread over.
 */
export const sequenceHeader = "hybridge-seq";

/**
 * No post is appended while one that is this much older is not. So whatever is older than the
 * youngest post by this much is settled, even where a partition no longer has a record to tell.
 */
export const WINDOW = 10_000;

export interface Sequence {
  readonly stream: string;
  readonly ordinal: number;
  readonly partitions: number;
}

export function formatSequence(stream: string, ordinal: number, partitions: number): string {
  return `${stream}/${ordinal}/${partitions}`;
}

export function parseSequence(text: string): Sequence | undefined {
  const match = /^([^/]+)\/(\d{1,15})\/(\d{1,9})$/.exec(text);
  if (!match) return undefined;
  const [, stream = "", ordinal, partitions] = match;
  return { stream, ordinal: Number(ordinal), partitions: Number(partitions) };
}

/** Which posts of a stream the topic has. */
export interface ResumePoint {
  /** The first ordinal that some partition may lack. */
  readonly from: number;
  /** By partition: posts up to and including this ordinal are settled; -1 for none. */
  readonly settled: readonly number[];
  /** How many partitions the keys are spread over: as at the beginning of the stream. */
  readonly partitions: number;
  /** Another stream that the topic also holds, if one was seen. */
  readonly otherStream: string | undefined;
}

/** How many offsets before the end to look at first; the next steps are larger. */
const LOOK_BACK = [64n, 8_192n];

export interface ResumeOptions {
  readonly openReader: OpenReader;
  readonly cluster: ClusterOptions;
  readonly topic: string;
  readonly stream: string;
  /** By partition: the first offset that the broker has, and where the fence was set. */
  readonly ranges: ReadonlyMap<number, { readonly start: bigint; readonly end: bigint }>;
  readonly signal: AbortSignal;
}

/** Reads the end of every partition and works out where the stream goes on. */
export async function findResumePoint(options: ResumeOptions): Promise<ResumePoint> {
  const found = await Promise.all(
    [...options.ranges].map(async ([partition, { start, end }]) => {
      return [partition, await lastSequence(options, partition, start, end)] as const;
    }),
  );
  return resumePoint(options.stream, options.ranges.size, new Map(found));
}

/**
 * Pure part of findResumePoint. Partitions that were added after the stream began stay unused by
 * it: a key must stay in the partition where its neighbours are.
 */
export function resumePoint(
  stream: string,
  topicPartitions: number,
  lasts: ReadonlyMap<number, Sequence | undefined>,
): ResumePoint {
  const ours = [...lasts.values()].filter((last) => last?.stream === stream);
  const other = [...lasts.values()].find((last) => last !== undefined && last.stream !== stream);
  const partitions = ours[0]?.partitions ?? topicPartitions;
  invariant(partitions <= topicPartitions, "a topic never loses partitions");
  const newest = Math.max(-1, ...ours.map((last) => last?.ordinal ?? -1));
  const settled = Array.from({ length: partitions }, (_, partition) => {
    const last = lasts.get(partition);
    const own = last?.stream === stream ? last.ordinal : -1;
    return Math.max(own, newest - WINDOW, -1);
  });
  return { from: Math.min(...settled) + 1, settled, partitions, otherStream: other?.stream };
}

/**
 * The newest sequence of our stream in a partition; if it has none, the newest of another. Mostly
 * it is the last record. Control records (each fence leaves one) and records of other writers may
 * stand behind it, so it looks back further and further, at last through all.
 */
async function lastSequence(
  options: ResumeOptions,
  partition: number,
  start: bigint,
  end: bigint,
): Promise<Sequence | undefined> {
  let other: Sequence | undefined;
  for (const distance of [...LOOK_BACK, end]) {
    const from = end - distance > start ? end - distance : start;
    const found = await newestIn(options, partition, from, end);
    if (found?.stream === options.stream) return found;
    other ??= found;
    if (from === start) return other;
  }
  return other;
}

async function newestIn(
  options: ResumeOptions,
  partition: number,
  from: bigint,
  end: bigint,
): Promise<Sequence | undefined> {
  if (from >= end) return undefined;
  const done = new AbortController();
  const reader = options.openReader({
    cluster: options.cluster,
    topic: options.topic,
    positions: new Map([[partition, from]]),
    signal: AbortSignal.any([options.signal, done.signal]),
  });
  let ours: Sequence | undefined;
  let other: Sequence | undefined;
  try {
    for await (const { records, nextOffset } of reader) {
      for (const record of records) {
        if (record.offset >= end) break;
        const sequence = sequenceOf(record);
        if (sequence?.stream === options.stream) ours = sequence;
        else other = sequence ?? other;
      }
      if (nextOffset >= end) break;
    }
  } finally {
    done.abort();
  }
  // A reader that is stopped ends quietly: half an answer is none.
  options.signal.throwIfAborted();
  return ours ?? other;
}

function sequenceOf(record: KafkaRecord): Sequence | undefined {
  const header = record.headers.find(([name]) => name === sequenceHeader)?.[1];
  return header ? parseSequence(header.toString("latin1")) : undefined;
}
