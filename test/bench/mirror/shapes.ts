import { ensureTopic, type ClusterOptions } from "@hybridge/kafka";
import { buildBatch, compress, encodeRecords } from "@hybridge/kafka/raw";
import { BatchWriter } from "./batch-writer.ts";
import { makePosts } from "./posts.ts";

/** What the source's batches are like. */
export interface Shape {
  readonly name: string;
  readonly batchBytes: number;
  readonly compression: "none" | "lz4";
  /** Added round trip between the mirror and the target, in milliseconds. */
  readonly roundTripMs: number;
  /** Share of the records that the whole benchmark asks for: slow shapes need fewer. */
  readonly share: number;
}

export const shapes: readonly Shape[] = [
  { name: "256KiB-lz4", batchBytes: 262_144, compression: "lz4", roundTripMs: 0, share: 1 },
  { name: "16KiB-lz4", batchBytes: 16_384, compression: "lz4", roundTripMs: 0, share: 1 },
  { name: "16KiB-none", batchBytes: 16_384, compression: "none", roundTripMs: 0, share: 1 },
  { name: "5KiB-lz4-50ms", batchBytes: 5_120, compression: "lz4", roundTripMs: 50, share: 0.4 },
];

export const PARTITIONS = 6;

/** Batch codes of the protocol. */
export const codec = { none: 0, lz4: 3 } as const;

const VARIANTS = 8;
const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;
/** More would make a request that the broker has to look for memory for. */
const REQUEST_BYTES = 1 << 20;

export interface Filled {
  readonly records: number;
  /** Of keys and values. */
  readonly bytes: number;
  /** As the log has it. */
  readonly logBytes: number;
}

export interface Filling {
  readonly topic: string;
  readonly partitions: number;
  readonly shape: Pick<Shape, "batchBytes" | "compression">;
  /** In all partitions together; rounded up to whole batches. */
  readonly records: number;
}

/**
 * Fills a topic with posts in batches of one shape. A few batches are packed once and repeated, as
 * packing all of them would take longer than mirroring them; each has times of its own, which are
 * in the digest, so that none can be taken for another.
 */
export async function fillTopic(
  cluster: ClusterOptions,
  filling: Filling,
  signal: AbortSignal,
): Promise<Filled> {
  const { topic, partitions, shape, records } = filling;
  await ensureTopic(cluster, { topic, partitions }, signal);
  const perBatch = recordsPerBatch(shape);
  const perPartition = Math.ceil(records / partitions / perBatch);
  const fromMs = Date.now() - 3_600_000;
  const variants = Array.from({ length: VARIANTS }, (_, index) => {
    const posts = makePosts(index * perBatch, perBatch, 0);
    return {
      payload: compress(codec[shape.compression], encodeRecords(posts, 0)),
      bytes: posts.reduce((sum, { key, value }) => sum + sizeOf(key) + sizeOf(value), 0),
    };
  });
  const filled = { records: perPartition * perBatch * partitions, bytes: 0, logBytes: 0 };
  await using writer = await BatchWriter.open(cluster, topic, signal);
  for (let index = 0; index < perPartition; index++) {
    let request = [];
    let requestBytes = 0;
    for (let partition = 0; partition < partitions; partition++) {
      const variant = variants[(index + partition) % VARIANTS];
      if (!variant) continue;
      const baseTimestamp = BigInt(fromMs + index * perBatch);
      const batch = buildBatch(variant.payload, {
        ...NOBODY,
        codec: codec[shape.compression],
        count: perBatch,
        baseTimestamp,
        maxTimestamp: baseTimestamp + BigInt(perBatch - 1),
      });
      filled.bytes += variant.bytes;
      filled.logBytes += batch.length;
      request.push({ topic, partition, batch });
      requestBytes += batch.length;
      if (requestBytes < REQUEST_BYTES && partition < partitions - 1) continue;
      await writer.append(request, signal);
      request = [];
      requestBytes = 0;
    }
  }
  await writer.flush(signal);
  return filled;
}

/** How many posts fill a batch of the shape: what they shrink to depends on how many there are. */
export function recordsPerBatch(shape: Pick<Shape, "batchBytes" | "compression">): number {
  const { batchBytes, compression } = shape;
  const sizeOfBatch = (count: number) =>
    compress(codec[compression], encodeRecords(makePosts(0, count, 0), 0)).length;
  let count = 16;
  for (let round = 0; round < 4; round++) {
    count = Math.max(1, Math.round((count * batchBytes) / sizeOfBatch(count)));
  }
  return count;
}

function sizeOf(bytes: Buffer | null): number {
  return bytes?.length ?? 0;
}
