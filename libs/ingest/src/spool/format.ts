import { crc32c } from "@node-rs/crc32";
import type { PostSchema } from "@hybridge/tweet";
import { SpoolFormatError } from "../errors.ts";

/** docs/spool.md describes what is on the disk; this file is that page as code. */
export const FORMAT_VERSION = 1;
export const SEGMENT_HEADER_BYTES = 64;
const MAGIC = "HYBSPOOL";

/** What a segment says of itself in its first 64 bytes. */
export interface SegmentHeader {
  readonly version: number;
  readonly spoolId: string;
  readonly segment: number;
  /** Frames from this number on are here or later; whatever an older segment has of them does not count. */
  readonly firstFrame: number;
  readonly firstOrdinal: number;
}

export function encodeSegmentHeader(header: Omit<SegmentHeader, "version">): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt16BE(FORMAT_VERSION, 8);
  bytes.writeUInt16BE(SEGMENT_HEADER_BYTES, 10);
  bytes.writeUInt32BE(header.segment, 12);
  bytes.write(header.spoolId, 16, "latin1");
  bytes.writeBigUInt64BE(BigInt(header.firstFrame), 32);
  bytes.writeBigUInt64BE(BigInt(header.firstOrdinal), 40);
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, 60)), 60);
  return bytes;
}

/**
 * @returns undefined when the header was torn by a crash: then the segment holds nothing
 * @throws SpoolFormatError when it is whole and of a version that this one does not know
 */
export function decodeSegmentHeader(bytes: Buffer, path: string): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES) return undefined;
  if (bytes.readUInt32BE(60) !== crc32c(bytes.subarray(0, 60))) return undefined;
  const version = bytes.readUInt16BE(8);
  if (bytes.toString("latin1", 0, 8) !== MAGIC || version > FORMAT_VERSION) {
    throw new SpoolFormatError(
      `${path} has version ${version} of the spool's format, and this program knows up to ${FORMAT_VERSION}: ` +
        "it was written by a newer one; start that one until the spool is empty, or go on with it",
    );
  }
  return {
    version,
    segment: bytes.readUInt32BE(12),
    spoolId: bytes.toString("latin1", 16, 28),
    firstFrame: Number(bytes.readBigUInt64BE(32)),
    firstOrdinal: Number(bytes.readBigUInt64BE(40)),
  };
}

/** What became of the items of one part of a feed, since there is a spool. */
export interface PartCounts {
  readonly posts: number;
  readonly deletions: number;
  readonly duplicates: number;
  readonly unreadable: number;
  readonly others: Readonly<Record<string, number>>;
}

/** What a frame says besides its records: JSON in the frame, with one-letter names. */
export interface FrameMeta {
  readonly feed: string;
  readonly source: string;
  readonly part: string;
  readonly cursor: string;
  readonly counts: PartCounts;
  /** How many partitions the keys are spread over; 0 for as many as the spool is told. */
  readonly partitions: number;
}

/** A record to be kept. */
export interface RecordToKeep {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly op: "upsert" | "delete";
  readonly schema: PostSchema;
  /** Text of the header `hybridge-origin`; empty for none. */
  readonly origin: string;
  /** Of (id, op, version): two halves of 64 bits. */
  readonly hashHigh: number;
  readonly hashLow: number;
}

export interface SpooledRecord extends RecordToKeep {
  readonly ordinal: number;
}

export interface Frame {
  readonly number: number;
  readonly firstOrdinal: number;
  readonly count: number;
  readonly meta: FrameMeta;
  /** The frame as it stands on the disk. */
  readonly bytes: Buffer;
  readonly recordsAt: number;
}

const FRAME_HEADER_BYTES = 32;
const RECORD_HEADER_BYTES = 18;
/** A frame is held in memory whole. */
export const FRAME_BYTES_MAX = 128 * 1024 * 1024;

/** Never renumbered: they are on disks. */
const schemas: readonly PostSchema[] = ["x.v2", "x.v1.1", "bluesky.v1"];

/** A frame before it has its place: number and first ordinal are stamped when it is written. */
export function encodeFrame(meta: FrameMeta, records: readonly RecordToKeep[]): Buffer {
  const text = Buffer.from(
    JSON.stringify({
      f: meta.feed,
      s: meta.source,
      p: meta.part,
      c: meta.cursor,
      k: meta.counts,
      n: meta.partitions,
    }),
  );
  let length = FRAME_HEADER_BYTES + text.length;
  for (const { key, value, origin } of records) {
    length += RECORD_HEADER_BYTES + key.length + value.length + origin.length;
  }
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeUInt32BE(length - 8, 0);
  bytes.writeUInt32BE(records.length, 24);
  bytes.writeUInt32BE(text.length, 28);
  let at = FRAME_HEADER_BYTES + text.copy(bytes, FRAME_HEADER_BYTES);
  for (const record of records) at = writeRecord(bytes, at, record);
  return bytes;
}

function writeRecord(bytes: Buffer, start: number, record: RecordToKeep): number {
  const { key, value, origin } = record;
  bytes.writeUInt32BE(value.length, start);
  bytes.writeUInt16BE(key.length, start + 4);
  bytes[start + 6] = record.op === "delete" ? 1 : 0;
  bytes[start + 7] = schemas.indexOf(record.schema);
  bytes.writeUInt16BE(origin.length, start + 8);
  bytes.writeUInt32BE(record.hashHigh, start + 10);
  bytes.writeUInt32BE(record.hashLow, start + 14);
  let at = start + RECORD_HEADER_BYTES;
  at += key.copy(bytes, at);
  if (origin.length > 0) at += bytes.write(origin, at, "latin1");
  return at + value.copy(bytes, at);
}

/** Gives a frame its place in the spool; its checksum covers the place too. */
export function stampFrame(bytes: Buffer, number: number, firstOrdinal: number): void {
  bytes.writeBigUInt64BE(BigInt(number), 8);
  bytes.writeBigUInt64BE(BigInt(firstOrdinal), 16);
  bytes.writeUInt32BE(crc32c(bytes.subarray(8)), 4);
}

export function recordsIn(bytes: Buffer): number {
  return bytes.readUInt32BE(24);
}

/** Why there is no frame at a place. */
export type NoFrame = "more" | "damaged";

/**
 * The frame at a place of some bytes, if it is whole and its checksum is right.
 *
 * @returns "more" when the bytes end before the frame does
 */
export function decodeFrame(bytes: Buffer, at: number): Frame | NoFrame {
  const left = bytes.length - at;
  if (left < FRAME_HEADER_BYTES) return "more";
  const length = bytes.readUInt32BE(at) + 8;
  if (length < FRAME_HEADER_BYTES || length > FRAME_BYTES_MAX) return "damaged";
  if (left < length) return "more";
  const frame = bytes.subarray(at, at + length);
  if (frame.readUInt32BE(4) !== crc32c(frame.subarray(8))) return "damaged";
  const metaLength = frame.readUInt32BE(28);
  const recordsAt = FRAME_HEADER_BYTES + metaLength;
  return {
    number: Number(frame.readBigUInt64BE(8)),
    firstOrdinal: Number(frame.readBigUInt64BE(16)),
    count: frame.readUInt32BE(24),
    meta: decodeMeta(frame.toString("utf8", FRAME_HEADER_BYTES, recordsAt)),
    bytes: frame,
    recordsAt,
  };
}

/** How long the frame at a place claims to be. */
export function frameLength(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) + 8;
}

function decodeMeta(text: string): FrameMeta {
  const { f, s, p, c, k, n } = JSON.parse(text) as {
    f: string;
    s: string;
    p: string;
    c: string;
    k: PartCounts;
    n: number;
  };
  return { feed: f, source: s, part: p, cursor: c, counts: k, partitions: n };
}

/** The records of a frame; keys and values are views of its bytes. */
export function recordsOf(frame: Frame): SpooledRecord[] {
  const { bytes, count, firstOrdinal } = frame;
  const records: SpooledRecord[] = [];
  let at = frame.recordsAt;
  for (let index = 0; index < count; index++) {
    const valueLength = bytes.readUInt32BE(at);
    const keyAt = at + RECORD_HEADER_BYTES;
    const originAt = keyAt + bytes.readUInt16BE(at + 4);
    const valueAt = originAt + bytes.readUInt16BE(at + 8);
    records.push({
      ordinal: firstOrdinal + index,
      key: bytes.subarray(keyAt, originAt),
      value: bytes.subarray(valueAt, valueAt + valueLength),
      op: bytes[at + 6] === 1 ? "delete" : "upsert",
      schema: schemas[bytes[at + 7] ?? 0] ?? "x.v2",
      origin: originAt === valueAt ? "" : bytes.toString("latin1", originAt, valueAt),
      hashHigh: bytes.readUInt32BE(at + 10),
      hashLow: bytes.readUInt32BE(at + 14),
    });
    at = valueAt + valueLength;
  }
  return records;
}

/** The hashes of a frame's records alone, for the window of what was said. */
export function eachHash(frame: Frame, use: (high: number, low: number) => void): void {
  const { bytes, count } = frame;
  let at = frame.recordsAt;
  for (let index = 0; index < count; index++) {
    use(bytes.readUInt32BE(at + 10), bytes.readUInt32BE(at + 14));
    at +=
      RECORD_HEADER_BYTES +
      bytes.readUInt32BE(at) +
      bytes.readUInt16BE(at + 4) +
      bytes.readUInt16BE(at + 8);
  }
}
