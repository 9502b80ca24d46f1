import { crc32 } from "node:zlib";
import type { ClusterOptions } from "@hybridge/kafka";
import { Cluster, readBatches, scanRecords } from "@hybridge/kafka/raw";

/** What a topic holds: how many records, and a sum over them that depends on their order. */
export interface Digest {
  readonly records: number;
  readonly text: string;
}

const PARTITIONS_AT_ONCE = 8;

/**
 * Count and content per partition, in order, whatever the batches are like. The content is each
 * record's key, value and headers, names and order included, as they stand encoded (there is one
 * encoding only), its timestamp, and its length, so that no byte can move to a neighbour.
 */
export async function digestOf(
  options: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<Digest> {
  await using cluster = new Cluster(options);
  const { partitions } = await cluster.topic(topic, signal);
  const sums = new Map<number, { count: number; crc: number }>();
  const left = partitions.map(({ partition }) => partition);
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      sums.set(next, await digestPartition(cluster, topic, next, signal));
    }
  };
  await Promise.all(Array.from({ length: PARTITIONS_AT_ONCE }, worker));
  let records = 0;
  for (const { count } of sums.values()) records += count;
  const parts = [...sums]
    .sort(([a], [b]) => a - b)
    .map(([partition, { count, crc }]) => `${partition}:${count}:${crc.toString(16)}`);
  return { records, text: parts.join(" ") };
}

async function digestPartition(
  cluster: Cluster,
  topic: string,
  partition: number,
  signal: AbortSignal,
): Promise<{ count: number; crc: number }> {
  const sum = { count: 0, crc: 0 };
  const frame = Buffer.alloc(12);
  const options = { topic, partition, from: 0n, committedOnly: true };
  for await (const batch of readBatches(cluster, options, signal)) {
    batch.verify(`${topic}-${partition}`);
    for (const { timestamp, bytes, from, to } of scanRecords(batch)) {
      frame.writeBigInt64BE(BigInt(timestamp), 0);
      frame.writeInt32BE(to - from, 8);
      sum.crc = crc32(bytes.subarray(from, to), crc32(frame, sum.crc));
      sum.count += 1;
    }
  }
  return sum;
}
