import { createHash } from "node:crypto";
import { ensureTopic, openFencedWriter, type ClusterOptions } from "@hybridge/kafka";
import { headerNames, postAt } from "@hybridge/tweet";

export const TOPIC = "hybrid";
export const PARTITIONS = 2;
const EPOCH = Date.UTC(2026, 10, 23, 9, 59, 58);
/** A trace that its producer recorded, so that landing adds to it. */
export const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/**
 * What was written to Kafka: `partition/offset md5 of the value`; apart from them bad records, and
 * deletions with what they delete, which files keep and Redshift does not.
 */
export interface Written {
  readonly rows: string[];
  readonly gone: string[];
  readonly bad: string[];
}

/** Makes the topic with so many partitions, or adds what it lacks. */
export async function addPartitions(
  cluster: ClusterOptions,
  partitions: number,
  signal: AbortSignal,
): Promise<void> {
  await ensureTopic(cluster, { topic: TOPIC, partitions }, signal);
}

/** Writes posts, the last of each call being none, and notes them for the oracle. */
export async function writePosts(
  cluster: ClusterOptions,
  written: Written,
  count: number,
  signal: AbortSignal,
  partitions = PARTITIONS,
): Promise<void> {
  await addPartitions(cluster, partitions, signal);
  await using writer = await openFencedWriter({
    cluster,
    transactionalId: "test-posts",
    topic: TOPIC,
    partitions: Array.from({ length: partitions }, (_, partition) => partition),
    signal,
    compression: "lz4",
  });
  const start = written.rows.length + written.gone.length + written.bad.length;
  for (let partition = 0; partition < partitions; partition++) {
    const records = Array.from({ length: count }, (_, index) => {
      const post = postAt(1, start + partition * count + index, EPOCH);
      const isBad = partition === 0 && index === count - 1;
      return {
        key: Buffer.from(post.id),
        value: isBad ? Buffer.from([0x7b, 0xff, start & 0xff]) : Buffer.from(post.json),
        headers: [
          [headerNames.schema, Buffer.from(post.schema)] as const,
          ...(index === 0 ? [[headerNames.traceparent, Buffer.from(TRACEPARENT)] as const] : []),
        ],
        timestampMs: post.createdAtMs,
      };
    });
    const first = await writer.append(partition, records);
    for (const [index, { value }] of records.entries()) {
      const id = `${partition}/${first + BigInt(index)}`;
      if (value[1] === 0xff) written.bad.push(id);
      else written.rows.push(`${id} ${createHash("md5").update(value).digest("hex")}`);
    }
  }
}
