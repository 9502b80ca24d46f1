import { createHash } from "node:crypto";
import { openFencedWriter, type ClusterOptions, type RecordToSend } from "@hybridge/kafka";
import { postAt } from "@hybridge/tweet";

const SEED = 1;
const EPOCH_MS = Date.UTC(2026, 0, 1);
const BATCH_RECORDS = 500;
const SENDING_MAX = 6;
export const MD5_BYTES = 16;

/** What a topic holds. */
export interface Filled {
  readonly records: number;
  /** Of the values. */
  readonly bytes: number;
  /** By partition: the MD5 of each value at MD5_BYTES times its offset; zeros where no record is. */
  readonly sums: readonly Buffer[];
}

/** Fills a topic with generated posts as ingest would send them, lz4, in turns over its partitions. */
export async function fill(
  cluster: ClusterOptions,
  topic: string,
  partitions: number,
  records: number,
  signal: AbortSignal,
): Promise<Filled> {
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  // A batch more than there are records, for the markers that the writer leaves.
  const length = (Math.ceil(records / partitions) + BATCH_RECORDS) * MD5_BYTES;
  const sums = all.map(() => Buffer.alloc(length));
  let bytes = 0;
  await using writer = await openFencedWriter({
    cluster,
    topic,
    partitions: all,
    transactionalId: `bench-landing-${topic}`,
    compression: "lz4",
    signal,
  });
  const send = async (partition: number, batch: readonly RecordToSend[]) => {
    const first = Number(await writer.append(partition, batch));
    for (const [index, { value }] of batch.entries()) {
      const sum = createHash("md5")
        .update(value ?? "")
        .digest();
      sum.copy(sums[partition] ?? sum, (first + index) * MD5_BYTES);
      bytes += value?.length ?? 0;
    }
  };
  const sending = new Set<Promise<void>>();
  for (let first = 0, turn = 0; first < records; first += BATCH_RECORDS, turn += 1) {
    const batch = batchOf(first, Math.min(records, first + BATCH_RECORDS));
    const sent = send(turn % partitions, batch).finally(() => sending.delete(sent));
    sending.add(sent);
    if (sending.size >= SENDING_MAX) await Promise.race(sending);
  }
  await Promise.all(sending);
  return { records, bytes, sums };
}

function batchOf(first: number, end: number): RecordToSend[] {
  return Array.from({ length: end - first }, (_, index) => {
    const { id, schema, json } = postAt(SEED, first + index, EPOCH_MS);
    return {
      key: Buffer.from(id),
      value: Buffer.from(json),
      headers: [
        ["hybridge-source", Buffer.from("replay")],
        ["hybridge-schema", Buffer.from(schema)],
      ],
      timestampMs: EPOCH_MS + first + index,
    };
  });
}
