import type { KafkaRecord, RecordToSend } from "../../src/api.ts";
import type { Random } from "../../src/testing/workload.ts";
import { Batch, batchesOf, HEADER_BYTES } from "../../src/wire/batch.ts";
import { makeCommittedFilter } from "../../src/wire/committed.ts";
import { readFetch } from "../../src/wire/fetch.ts";
import { FrameAssembler } from "../../src/wire/frames.ts";
import { joinRecords, scanRecords } from "../../src/wire/raw-record.ts";
import { ProtocolReader } from "../../src/wire/reader.ts";
import { decodeRecords } from "../../src/wire/record.ts";
import { goodAnswers } from "./answers.ts";
import { goodBatches, goodFetches, isSmall, type GoodBatch } from "./corpus.ts";
import type { Damager } from "./damage.ts";

export type AttackName = "fetch" | "records" | "answers" | "stream";

export interface Attack {
  readonly name: AttackName;
  /** How many of twenty frames. */
  readonly share: number;
  /**
   * Damages something and reads it. Throws typed errors for what is refused, others for bugs.
   *
   * @returns how many of the things that came out were compared with what went in
   */
  readonly run: (damager: Damager) => number;
}

export function attacks(random: Random): Attack[] {
  const batches = goodBatches(random);
  return [
    { name: "fetch", share: 9, run: fetchAttack(random, batches) },
    { name: "records", share: 6, run: recordsAttack(batches) },
    { name: "answers", share: 4, run: answersAttack() },
    { name: "stream", share: 1, run: streamAttack() },
  ];
}

/** Of a fetch answer: all that stands before the records of the first partition, and some of them. */
const HEAD_BYTES = 150;

/**
 * What a reader and the mirror do with an answer. Whatever passes the checksum has to be what was
 * written; topic, partition and base offset stand outside of it and are compared with nothing.
 */
function fetchAttack(random: Random, batches: readonly GoodBatch[]): Attack["run"] {
  const fetches = goodFetches(random, batches);
  const originals = new Map(batches.map((good) => [good.bytes.readUInt32BE(17), good]));
  return (damager) => {
    const good = fetches[damager.below(fetches.length)];
    if (!good) return 0;
    // Most bytes are those of records: every second time only the head is struck.
    const frame = damager.damage(good.bytes, 0, damager.below(2) === 0 ? HEAD_BYTES : undefined);
    let compared = 0;
    const response = readFetch(new ProtocolReader(frame));
    for (const answer of response.partitions) {
      const isCommitted = makeCommittedFilter(answer.aborted);
      for (const batch of batchesOf(answer.records)) {
        if (!isCommitted(batch)) continue;
        batch.verify("fuzz");
        const original = originals.get(batch.crc);
        if (!original) throw new Error("a batch passed that nobody wrote");
        expectRecords(decodeRecords(batch), original.records, batch.baseOffset);
        compared += original.records.length;
        if (damager.below(8) > 0) continue;
        const joined = new Batch(joinRecords(scanRecords(batch), batch.codec));
        joined.verify("fuzz");
        expectRecords(decodeRecords(joined), original.records, 0n);
      }
    }
    return compared;
  };
}

/**
 * Batches that nobody checks the sum of. What comes out of them is anybody's guess, but the two
 * decoders must not guess differently.
 */
function recordsAttack(batches: readonly GoodBatch[]): Attack["run"] {
  const small = batches.filter(isSmall);
  return (damager) => {
    const from = damager.below(8) === 0 ? batches : small;
    const good = from[damager.below(from.length)];
    if (!good) return 0;
    let compared = 0;
    // Every second time where the header is; never the length and the format, which are put right.
    const bytes = damager.damage(good.bytes, 17, damager.below(2) === 0 ? 90 : undefined);
    if (bytes.length >= HEADER_BYTES) bytes.writeInt32BE(bytes.length - LOG_OVERHEAD, 8);
    for (const batch of batchesOf(bytes)) {
      const scanned = scanRecords(batch);
      const decoded = decodeRecords(batch);
      const isSame = decoded.every(({ offset, timestampMs }, index) => {
        const other = scanned[index];
        return other?.offset === offset && Number(other.timestamp) === timestampMs;
      });
      if (!isSame || scanned.length !== decoded.length) {
        throw new Error("the two decoders see different records");
      }
      compared += decoded.length;
    }
    return compared;
  };
}

function answersAttack(): Attack["run"] {
  const answers = goodAnswers();
  return (damager) => {
    const good = answers[damager.below(answers.length)];
    if (!good) return 0;
    const bytes = damager.below(4) === 0 ? damager.noise(120) : damager.damage(good.bytes);
    good.read(new ProtocolReader(bytes));
    return 0;
  };
}

/** What the length of a batch does not count. */
const LOG_OVERHEAD = 12;
const FRAME_BYTES_MAX = 4_096;
const STREAM_FRAMES = 12;

/** A stream of frames, one of them damaged: those before it arrive whole, in pieces of any size. */
function streamAttack(): Attack["run"] {
  return (damager) => {
    const sent = Array.from({ length: STREAM_FRAMES }, (_, index) =>
      Buffer.alloc(4 + damager.below(300), index + 1),
    );
    const hit = damager.below(STREAM_FRAMES);
    let begin = 0;
    const parts = sent.flatMap((frame, index) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(frame.length);
      if (index < hit) begin += 4 + frame.length;
      return [length, frame];
    });
    const stream = damager.damage(Buffer.concat(parts), begin);
    const got: Buffer[] = [];
    const assembler = new FrameAssembler(FRAME_BYTES_MAX, (frame) => got.push(frame));
    try {
      for (let at = 0; at < stream.length;) {
        const room = assembler.room();
        const bytes = Math.min(room.length, stream.length - at, 1 + damager.below(700));
        stream.copy(room, 0, at, at + bytes);
        assembler.filled(bytes);
        at += bytes;
      }
    } finally {
      const isWhole = sent.slice(0, hit).every((frame, index) => got[index]?.equals(frame));
      // oxlint-disable-next-line no-unsafe-finally -- a lost frame is worse than a refused one
      if (!isWhole) throw new Error("a frame before the damage is not what was sent");
    }
    return hit;
  };
}

function expectRecords(
  found: readonly KafkaRecord[],
  wanted: readonly RecordToSend[],
  baseOffset: bigint,
): void {
  const isSame =
    found.length === wanted.length &&
    found.every((record, index) => {
      const original = wanted[index];
      return (
        original !== undefined &&
        record.offset === baseOffset + BigInt(index) &&
        record.timestampMs === original.timestampMs &&
        isSameBytes(record.key, original.key) &&
        isSameBytes(record.value, original.value) &&
        isSameHeaders(record.headers, original.headers)
      );
    });
  if (!isSame) throw new Error("a record came out that nobody wrote");
}

function isSameBytes(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}

function isSameHeaders(a: KafkaRecord["headers"], b: KafkaRecord["headers"]): boolean {
  return (
    a.length === b.length &&
    a.every(([name, value], index) => {
      const other = b[index];
      return other !== undefined && name === other[0] && isSameBytes(value, other[1]);
    })
  );
}
