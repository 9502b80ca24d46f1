import { MalformedError } from "../errors.ts";
import { buildBatch, type Batch } from "./batch.ts";
import { compress, decompress } from "./compression.ts";
import { exact, minus, plus, type Timestamp } from "./timestamp.ts";

/**
 * A record whose place in its batch is known and whose content is not looked at: `bytes` from
 * `from` to `to` are key, value and headers as they were encoded, whatever they hold.
 */
export interface RawRecord {
  readonly offset: bigint;
  readonly timestamp: Timestamp;
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}

const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;

/** The records of a batch, found but not decoded; with the timestamps that consumers see. */
export function scanRecords(batch: Batch): RawRecord[] {
  const bytes = decompress(batch.codec, batch.payload);
  const { baseOffset, count } = batch;
  if (count < 0 || count * 7 > bytes.length) throw damaged(batch);
  const base = exact(batch.baseTimestamp);
  const appended = batch.isLogAppendTime ? exact(batch.maxTimestamp) : undefined;
  const records: RawRecord[] = [];
  const cursor = { at: 0 };
  for (let index = 0; index < count; index++) {
    const length = readSigned(bytes, cursor);
    const to = cursor.at + length;
    if (length < 6 || to > bytes.length) throw damaged(batch);
    cursor.at += 1; // attributes: none are defined
    const timestamp = plus(base, readDelta(bytes, cursor));
    const offset = baseOffset + BigInt(readSigned(bytes, cursor));
    if (cursor.at > to) throw damaged(batch);
    records.push({ offset, timestamp: appended ?? timestamp, bytes, from: cursor.at, to });
    cursor.at = to;
  }
  if (cursor.at !== bytes.length) throw damaged(batch);
  return records;
}

/** True when two records carry the same key, value, headers and timestamp, byte for byte. */
export function isSameRecord(a: RawRecord, b: RawRecord): boolean {
  return (
    a.timestamp === b.timestamp &&
    a.to - a.from === b.to - b.from &&
    a.bytes.compare(b.bytes, b.from, b.to, a.from, a.to) === 0
  );
}

/** Where records are put together that are packed afterwards: half a gigabyte a second in a merge. */
let scratch = Buffer.alloc(0);

function scratchOf(bytes: number): Buffer {
  if (scratch.length < bytes) scratch = Buffer.allocUnsafeSlow(bytes);
  return scratch;
}

/** A batch of these records, dense, with their timestamps as create time. To be stamped. */
export function joinRecords(records: readonly RawRecord[], codec: number): Buffer {
  const base = records[0]?.timestamp ?? 0;
  let max = base;
  let room = 0;
  for (const record of records) {
    if (record.timestamp > max) max = record.timestamp;
    room += record.to - record.from + 25; // length 5, attributes 1, two deltas 10 and 5: at most 21
  }
  const payload = scratchOf(room);
  let at = 0;
  for (const [index, record] of records.entries()) {
    const delta = minus(record.timestamp, base);
    const body = 1 + signedSize(delta) + signedSize(index) + (record.to - record.from);
    at = writeSigned(payload, at, body);
    payload[at++] = 0;
    at = writeSigned(payload, at, delta);
    at = writeSigned(payload, at, index);
    at += record.bytes.copy(payload, at, record.from, record.to);
  }
  return buildBatch(compress(codec, payload.subarray(0, at)), {
    ...NOBODY,
    codec,
    count: records.length,
    baseTimestamp: BigInt(base),
    maxTimestamp: BigInt(max),
  });
}

function damaged(batch: Batch): MalformedError {
  return new MalformedError(
    `look through the batch at offset ${batch.baseOffset}: its ${batch.count} records do not fit its ${batch.bytes.length} bytes`,
  );
}

/** A signed number of up to 64 bits. */
function readDelta(bytes: Buffer, cursor: { at: number }): Timestamp {
  const { at } = cursor;
  let length = 1;
  while ((bytes[at + length - 1] ?? 0) > 0x7f) length += 1;
  // Six bytes are 42 bits: no double rounds those.
  if (length <= 6) return readSigned(bytes, cursor);
  if (length > 10 || at + length > bytes.length) throw new MalformedError("decode a varint");
  let zigzag = 0n;
  for (let index = length - 1; index >= 0; index--) {
    zigzag = (zigzag << 7n) | BigInt((bytes[at + index] ?? 0) & 0x7f);
  }
  cursor.at += length;
  return exact(BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n)));
}

function readSigned(bytes: Buffer, cursor: { at: number }): number {
  let byte = bytes[cursor.at++] ?? 0;
  if (byte < 0x80) return byte & 1 ? -((byte + 1) / 2) : byte / 2;
  let value = byte & 0x7f;
  for (let factor = 128; byte > 0x7f; factor *= 128) {
    if (factor > 2 ** 45 || cursor.at > bytes.length) throw new MalformedError("decode a varint");
    byte = bytes[cursor.at++] ?? 0;
    value += (byte & 0x7f) * factor;
  }
  return value % 2 === 1 ? -((value + 1) / 2) : value / 2;
}

/** Above this the zigzag form of a number is not exact. */
const ZIGZAG_EXACT = 2 ** 52;

function zigzagOf(value: bigint): bigint {
  return BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
}

function signedSize(value: Timestamp): number {
  if (typeof value === "bigint" || Math.abs(value) >= ZIGZAG_EXACT) {
    let size = 1;
    for (let rest = zigzagOf(BigInt(value)); rest > 0x7fn; size++) rest >>= 7n;
    return size;
  }
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  let size = 1;
  for (; zigzag > 0x7f; size++) zigzag = Math.floor(zigzag / 128);
  return size;
}

function writeSigned(bytes: Buffer, offset: number, value: Timestamp): number {
  let at = offset;
  if (typeof value === "bigint" || Math.abs(value) >= ZIGZAG_EXACT) {
    let rest = zigzagOf(BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80;
    bytes[at++] = Number(rest);
    return at;
  }
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  for (; zigzag > 0x7f; zigzag = Math.floor(zigzag / 128)) bytes[at++] = (zigzag % 128) | 0x80;
  bytes[at++] = zigzag;
  return at;
}
