import type { PartitionRecord, RecordHeaders, RecordToSend } from "../api.ts";
import { MalformedError } from "../errors.ts";
import type { Batch } from "./batch.ts";
import { decompress } from "./compression.ts";
import { exact, plus, type Timestamp } from "./timestamp.ts";

// The hot path of every consumer: one cursor over a buffer, no object but the record itself.

const NO_HEADERS: RecordHeaders = [];
const UNCOMPRESSED = 0;

/** A position in a buffer, moved by the functions below. */
interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/**
 * Decodes the records of a batch as a consumer sees them. Buffers are views of the batch, or of
 * the unpacked bytes when it is compressed.
 *
 * @param unpacked told of the unpacked bytes
 * @throws MalformedError when the records do not fill the payload exactly
 */
export function decodeRecords(batch: Batch, unpacked?: (bytes: Buffer) => void): PartitionRecord[] {
  const { baseOffset, baseTimestamp, count } = batch;
  const cursor: Cursor = { bytes: decompress(batch.codec, batch.payload), at: 0 };
  if (batch.codec !== UNCOMPRESSED) unpacked?.(cursor.bytes);
  // A record takes 7 bytes at least; a count beyond that is damage, not a reason for a huge array.
  if (count < 0 || count * 7 > cursor.bytes.length) throw damaged(batch, "the count is impossible");
  const base = exact(baseTimestamp);
  const appended = batch.isLogAppendTime ? batch.maxTimestamp : undefined;
  const records: PartitionRecord[] = [];
  for (let index = 0; index < count; index++) {
    const length = readVarint(cursor);
    const end = cursor.at + length;
    if (length < 6 || end > cursor.bytes.length) throw damaged(batch, `record ${index} is cut off`);
    cursor.at += 1; // attributes: none are defined
    const delta = readVarlong(cursor);
    const time = appended ?? plus(base, delta);
    // Most records of a batch have the time of its first: that is not made anew for each.
    const timestamp = time === base ? baseTimestamp : BigInt(time);
    const offset = baseOffset + BigInt(readVarint(cursor));
    const key = readBytes(cursor, end);
    const value = readBytes(cursor, end);
    const headers = readHeaders(cursor, end);
    if (cursor.at !== end) throw damaged(batch, `record ${index} does not fill its length`);
    const timestampMs = Number(time);
    records.push({ offset, timestamp, timestampMs, key, value, headers });
  }
  if (cursor.at !== cursor.bytes.length) throw damaged(batch, "bytes follow the last record");
  return records;
}

function damaged(batch: Batch, what: string): MalformedError {
  return new MalformedError(
    `decode the batch at offset ${batch.baseOffset} (${batch.count} records, ${batch.bytes.length} bytes): ${what}`,
  );
}

function readHeaders(cursor: Cursor, end: number): RecordHeaders {
  const count = readVarint(cursor);
  if (count === 0) return NO_HEADERS;
  if (count < 0 || count * 2 > end - cursor.at) throw new MalformedError(`decode ${count} headers`);
  const headers: [string, Buffer | null][] = [];
  for (let index = 0; index < count; index++) {
    const name = readBytes(cursor, end);
    if (name === null) throw new MalformedError("decode a header: it has no name");
    headers.push([name.toString("utf8"), readBytes(cursor, end)]);
  }
  return headers;
}

function readBytes(cursor: Cursor, end: number): Buffer | null {
  const length = readVarint(cursor);
  if (length < 0) return null;
  const from = cursor.at;
  const to = from + length;
  if (to > end) throw new MalformedError(`decode ${length} bytes of a record: it ends before them`);
  cursor.at = to;
  return cursor.bytes.subarray(from, to);
}

/** Signed, zigzag, at most 32 bits. */
function readVarint(cursor: Cursor): number {
  const { bytes } = cursor;
  let byte = bytes[cursor.at++] ?? 0;
  let value = byte & 0x7f;
  for (let shift = 7; byte > 0x7f; shift += 7) {
    if (shift > 28 || cursor.at > bytes.length) throw new MalformedError("decode a varint");
    byte = bytes[cursor.at++] ?? 0;
    value |= (byte & 0x7f) << shift;
  }
  return (value >>> 1) ^ -(value & 1);
}

/** Signed, zigzag, 64 bits. */
function readVarlong(cursor: Cursor): Timestamp {
  const { bytes } = cursor;
  const first = bytes[cursor.at] ?? 0;
  if (first < 0x80) {
    cursor.at += 1;
    return (first >>> 1) ^ -(first & 1);
  }
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    if (shift > 63n || cursor.at >= bytes.length) throw new MalformedError("decode a varlong");
    const byte = bytes[cursor.at++] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return exact(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)));
}

/** Encodes records with offset deltas 0, 1, 2 ... and timestamps relative to `baseTimestampMs`. */
export function encodeRecords(records: readonly RecordToSend[], baseTimestampMs: number): Buffer {
  const sizes = records.map((record, index) => bodySize(record, index, baseTimestampMs));
  let total = 0;
  for (const size of sizes) total += varintSize(size) + size;
  const cursor: Cursor = { bytes: Buffer.allocUnsafe(total), at: 0 };
  for (const [index, record] of records.entries()) {
    writeVarint(cursor, sizes[index] ?? 0);
    cursor.bytes[cursor.at++] = 0;
    writeVarlong(cursor, record.timestampMs - baseTimestampMs);
    writeVarint(cursor, index);
    writeBytes(cursor, record.key);
    writeBytes(cursor, record.value);
    writeVarint(cursor, record.headers.length);
    for (const [name, value] of record.headers) {
      const length = Buffer.byteLength(name);
      writeVarint(cursor, length);
      cursor.at += cursor.bytes.write(name, cursor.at);
      writeBytes(cursor, value);
    }
  }
  return cursor.bytes;
}

function bodySize(record: RecordToSend, index: number, baseTimestampMs: number): number {
  let size = 1 + varlongSize(record.timestampMs - baseTimestampMs) + varintSize(index);
  size += bytesSize(record.key) + bytesSize(record.value) + varintSize(record.headers.length);
  for (const [name, value] of record.headers) {
    const length = Buffer.byteLength(name);
    size += varintSize(length) + length + bytesSize(value);
  }
  return size;
}

function bytesSize(value: Buffer | null): number {
  return value === null ? 1 : varintSize(value.length) + value.length;
}

function varintSize(value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  while (zigzag > 0x7f) {
    zigzag >>>= 7;
    size += 1;
  }
  return size;
}

function varlongSize(value: number): number {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  let size = 1;
  while (zigzag > 0x7f) {
    zigzag = Math.floor(zigzag / 128);
    size += 1;
  }
  return size;
}

function writeVarint(cursor: Cursor, value: number): void {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  while (zigzag > 0x7f) {
    cursor.bytes[cursor.at++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  cursor.bytes[cursor.at++] = zigzag;
}

function writeVarlong(cursor: Cursor, value: number): void {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  while (zigzag > 0x7f) {
    cursor.bytes[cursor.at++] = (zigzag % 128) | 0x80;
    zigzag = Math.floor(zigzag / 128);
  }
  cursor.bytes[cursor.at++] = zigzag;
}

function writeBytes(cursor: Cursor, value: Buffer | null): void {
  if (value === null) {
    writeVarint(cursor, -1);
    return;
  }
  writeVarint(cursor, value.length);
  cursor.at += value.copy(cursor.bytes, cursor.at);
}
