import type { Acknowledged, PartitionPlace } from "../spool/acknowledged.ts";
import {
  eachPartition,
  headerOf,
  readRange,
  type Ranges,
  type TopicReading,
} from "./read-headers.ts";
import { parseOrdinal, sequenceHeader } from "./sequence.ts";

/**
 * No record is appended while one that is this many ordinals older is not. So whatever is older than
 * the youngest by this much is settled, even where a partition no longer has a record to tell.
 */
export const WINDOW = 30_000;

/** What a topic has of a spool. */
export interface Settled {
  /** Records below are settled in all partitions: reading goes on here. */
  readonly ordinal: number;
  /** How many partitions the keys are spread over. */
  readonly partitions: number;
  /** By partition: the highest ordinal that is settled there. */
  readonly places: PartitionPlace[];
}

export interface SettledOptions {
  readonly reading: TopicReading;
  readonly ranges: Ranges;
  readonly spoolId: string;
  readonly acknowledged: Acknowledged | undefined;
  /** Of the oldest record in the spool, and of the next that it will take. */
  readonly firstOrdinal: number;
  readonly nextOrdinal: number;
  /** Whether the spool was never published from. */
  readonly isNew: boolean;
}

/**
 * Finds out what a topic has, now that nobody else can append with the identity of the spool. What was
 * written down is true and may be old: each partition is read from the place where its next record
 * was to come, and the last record of the spool that stands there counts.
 */
export async function findSettled(options: SettledOptions): Promise<Settled> {
  const { acknowledged, ranges, isNew } = options;
  const known = new Map(acknowledged?.places.map((each) => [each.partition, each]));
  const found = await eachPartition(ranges, async (partition, start, end) => {
    const place = known.get(partition);
    const offset = BigInt(place?.offset ?? 0);
    // Behind the end: the topic was made anew, and has nothing of what was there.
    const from = isNew ? end : offset > start && offset <= end ? offset : start;
    const last = await lastOrdinal(options, partition, from, end);
    return { partition, ordinal: Math.max(last, place?.ordinal ?? -1), offset: String(end) };
  });
  const highest = Math.max(-1, ...[...found.values()].map(({ ordinal }) => ordinal));
  const writtenDown = acknowledged?.ordinal ?? 0;
  const ordinal = Math.max(writtenDown, highest - WINDOW, options.firstOrdinal);
  const isEmpty = ordinal >= options.nextOrdinal;
  const topicPartitions = ranges.size;
  const kept = acknowledged?.partitions ?? topicPartitions;
  return {
    ordinal,
    // Keys may move to other partitions only when nothing of them is under way.
    partitions: isEmpty ? topicPartitions : Math.min(kept, topicPartitions),
    places: [...found.values()],
  };
}

async function lastOrdinal(
  { reading, spoolId }: SettledOptions,
  partition: number,
  from: bigint,
  end: bigint,
): Promise<number> {
  let last = -1;
  await readRange(reading, { partition, from, end }, (record) => {
    const header = headerOf(record, sequenceHeader);
    const ordinal = header === undefined ? undefined : parseOrdinal(header, spoolId);
    if (ordinal !== undefined) last = ordinal;
  });
  return last;
}
