import type { ClusterOptions } from "./api.ts";
import { withCluster } from "./cluster.ts";
import { offsetsAt } from "./offsets.ts";

/** Offsets of one partition as of one moment; ends are exclusive. */
export interface LogRange {
  readonly start: bigint;
  /** The last stable offset: consumers of committed records read up to here. */
  readonly end: bigint;
  /** What all replicas have, also of transactions that are still open. */
  readonly highWatermark: bigint;
}

export interface TopicLog {
  /** 32 hex digits; a topic that is made anew under its name has another one. */
  readonly topicId: string;
  readonly partitions: ReadonlyMap<number, LogRange>;
}

/**
 * What a topic holds now: all of its partitions and their offsets, with three requests per broker.
 *
 * @throws UnknownTopicError when there is no such topic
 * @throws BrokerError when a partition has no leader
 */
export async function describeLog(
  options: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<TopicLog> {
  return await withCluster(options, signal, async (cluster) => {
    const { id, partitions } = await cluster.topic(topic, signal);
    // In this order no end is beyond the high watermark.
    const ends = await offsetsAt(cluster, topic, "latest", signal);
    const highWatermarks = await offsetsAt(cluster, topic, "latest", signal, false);
    const starts = await offsetsAt(cluster, topic, "earliest", signal);
    const ranges = partitions.flatMap(({ partition }) => {
      const [start, end] = [starts.get(partition), ends.get(partition)];
      const highWatermark = highWatermarks.get(partition);
      if (start === undefined || end === undefined || highWatermark === undefined) return [];
      return [[partition, { start, end, highWatermark }] as const];
    });
    return { topicId: id, partitions: new Map(ranges) };
  });
}
