import type { ClusterOptions, RecordToSend } from "@hybridge/kafka";
import { ensureTopic } from "@hybridge/kafka";
import { produceBatches, seededRandom, type Random } from "@hybridge/kafka/testing";

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
/** A post with its envelope, about; what the first measurements used. */
const RECORD_BYTES = 722;
/** So much smaller does lz4 make posts like these. */
const LZ4_RATIO = 0.45;

/** Fills a topic with posts in batches of one shape. @returns records and their bytes */
export async function fillTopic(
  cluster: ClusterOptions,
  topic: string,
  shape: Shape,
  wanted: number,
  signal: AbortSignal,
): Promise<{ records: number; bytes: number }> {
  await ensureTopic(cluster, { topic, partitions: PARTITIONS }, signal);
  const random = seededRandom(42);
  const ratio = shape.compression === "none" ? 1 : LZ4_RATIO;
  const perBatch = Math.max(1, Math.round(shape.batchBytes / ratio / RECORD_BYTES));
  const perPartition = Math.ceil(wanted / PARTITIONS / perBatch);
  const variants = Array.from({ length: 8 }, () => posts(random, perBatch));
  let bytes = 0;
  await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) => {
      const lists = Array.from({ length: perPartition }, (__, index) => {
        return variants[(index + partition) % variants.length] ?? [];
      });
      for (const list of lists) for (const { value } of list) bytes += value?.length ?? 0;
      const at = { topic, partition, compression: shape.compression };
      await produceBatches(cluster, at, lists, signal);
    }),
  );
  return { records: perPartition * perBatch * PARTITIONS, bytes };
}

const WORDS =
  "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get come made may part".split(
    " ",
  );

function posts(random: Random, count: number): RecordToSend[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, index) => {
    const id = String(Math.floor(random() * 1e15));
    const text = Array.from(
      { length: 22 },
      () => WORDS[Math.floor(random() * WORDS.length)] ?? "",
    ).join(" ");
    const user = { id: Math.floor(random() * 1e9), name: `user${Math.floor(random() * 1e6)}` };
    const counts = { retweets: Math.floor(random() * 1e4), likes: Math.floor(random() * 1e4) };
    const post = { id, text, user, ...counts, lang: "en", created_at: new Date(now).toISOString() };
    const json = JSON.stringify(post);
    const padding = Array.from({ length: 40 }, () => Math.floor(random() * 1e8)).join("-");
    const value = Buffer.from(`${json.slice(0, -1)},"entities":"${padding}"}`).subarray(0, 700);
    return { key: Buffer.from(id), value, headers: [], timestampMs: now + index };
  });
}
