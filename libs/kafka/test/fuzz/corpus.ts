import type { RecordToSend } from "../../src/api.ts";
import { randomRecords, type Random } from "../../src/testing/workload.ts";
import { buildBatch } from "../../src/wire/batch.ts";
import { codecNames, compress } from "../../src/wire/compression.ts";
import { encodeRecords } from "../../src/wire/record.ts";
import { ProtocolWriter } from "../../src/wire/writer.ts";

/** A batch as a producer would have made it, and what is in it. */
export interface GoodBatch {
  readonly bytes: Buffer;
  readonly codec: number;
  readonly records: readonly RecordToSend[];
}

/** A fetch answer without fault. */
export interface GoodFetch {
  readonly bytes: Buffer;
  readonly batches: readonly GoodBatch[];
}

const TIME_MS = 1_700_000_000_000;
const LARGE_BYTES = 70_000;

/**
 * Batches of 1 to 8 records in every codec. They are small, because the damage per byte counts and
 * not the bytes; every codec has one that is larger than a block of its compression.
 */
export function goodBatches(random: Random): GoodBatch[] {
  return codecNames.flatMap((_, codec) => {
    const small = [1, 2, 3, 5, 8].map((count) => randomRecords(random, count, TIME_MS));
    const value = Buffer.alloc(LARGE_BYTES, "a value that repeats ");
    const large = [{ key: Buffer.from("large"), value, headers: [], timestampMs: TIME_MS }];
    return [...small, large].map((records) => goodBatch(codec, records));
  });
}

export function goodBatch(codec: number, records: readonly RecordToSend[]): GoodBatch {
  const base = records[0]?.timestampMs ?? 0;
  const bytes = buildBatch(compress(codec, encodeRecords(records, base)), {
    producerId: 4n,
    producerEpoch: 0,
    baseSequence: 0,
    codec,
    count: records.length,
    baseTimestamp: BigInt(base),
    maxTimestamp: BigInt(Math.max(...records.map(({ timestampMs }) => timestampMs))),
  });
  return { bytes, codec, records };
}

/** Fetch answers of one to three partitions with one to three batches each, and all that goes with them. */
export function goodFetches(random: Random, batches: readonly GoodBatch[]): GoodFetch[] {
  const [small, large] = [batches.filter(isSmall), batches.filter((batch) => !isSmall(batch))];
  const pick = (from: readonly GoodBatch[]) => {
    return from[Math.floor(random() * from.length)] ?? goodBatch(0, []);
  };
  return Array.from({ length: 60 }, (_, index) => {
    const some = () => {
      const isLarge = index % 10 === 0;
      if (isLarge) return [pick(large)];
      return Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(small));
    };
    const partitions = Array.from({ length: 1 + Math.floor(random() * 3) }, some);
    return { bytes: fetchAnswer(partitions), batches: partitions.flat() };
  });
}

/** False for those that are there to be larger than a block, and take a hundred times as long. */
export function isSmall({ records }: GoodBatch): boolean {
  return (records[0]?.value?.length ?? 0) < LARGE_BYTES;
}

function fetchAnswer(partitions: readonly (readonly GoodBatch[])[]): Buffer {
  const body = new ProtocolWriter().i32(0).i16(0).i32(77);
  body.array([0], (topic) => {
    topic.uuid("ab".repeat(16)).array([...partitions.entries()], (item, [number, batches]) => {
      let offset = 50n;
      const records = batches.map(({ bytes, records: { length } }) => {
        const copy = Buffer.from(bytes);
        copy.writeBigInt64BE(offset, 0);
        offset += BigInt(length);
        return copy;
      });
      item.i32(number).i16(0).i64(offset).i64(offset).i64(0n);
      item.array([1n, 4n], (entry, id) => entry.i64(id).i64(7n).noTags());
      item.i32(-1).compactBytes(Buffer.concat(records));
      // The tagged field of a log that was cut back (KIP-595), as rare as it is.
      if (number === 2) item.uvarint(1).uvarint(0).uvarint(12).i32(3).i64(40n);
      else item.noTags();
    });
    topic.noTags();
  });
  return Buffer.concat(body.noTags().chunks());
}
