import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { compressFrameSync, decompressFrameSync } from "lz4-napi";
import { compressSync as snappyCompress, uncompressSync as snappyUncompress } from "snappy";
import { MalformedError } from "../errors.ts";

export const codecNames = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
export type CodecName = (typeof codecNames)[number];

/** A batch is a few MiB at most; what unpacks to more than this is meant to harm. */
const UNPACKED_BYTES_MAX = 512 * 1024 * 1024;
/** The framing of snappy-java ("xerial"), which is what Kafka means by snappy. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_BLOCK_BYTES = 32 * 1024;
/** A copy of 64 bytes takes 3: no snappy block unpacks to more than 22 times its length. */
const SNAPPY_RATIO_MAX = 22;
/** The first bytes of an LZ4 frame, least one first. */
const LZ4_MAGIC = 0x184d2204;

export function compress(codec: number, bytes: Buffer): Buffer {
  switch (nameOf(codec)) {
    case "none":
      return bytes;
    case "gzip":
      return gzipSync(bytes);
    case "snappy":
      return toXerial(bytes);
    case "lz4":
      return compressFrameSync(bytes);
    case "zstd":
      return zstdCompressSync(bytes);
  }
}

/** @throws MalformedError when the bytes are not what the codec makes */
export function decompress(codec: number, bytes: Buffer): Buffer {
  try {
    switch (nameOf(codec)) {
      case "none":
        return bytes;
      case "gzip":
        return gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX });
      case "snappy":
        return fromXerial(bytes);
      case "lz4":
        return unpackLz4(bytes);
      case "zstd":
        return zstdDecompressSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX });
    }
  } catch (error) {
    if (error instanceof MalformedError) throw error;
    throw new MalformedError(
      `unpack ${bytes.length} bytes of records compressed with ${codecNames[codec] ?? codec}: the decoder refused them`,
      { cause: error },
    );
  }
}

function nameOf(codec: number): CodecName {
  const name = codecNames[codec];
  if (name === undefined) throw new MalformedError(`there is no compression codec ${codec}`);
  return name;
}

function toXerial(bytes: Buffer): Buffer {
  const header = Buffer.alloc(16);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(1, 8);
  header.writeInt32BE(1, 12);
  const parts: Buffer[] = [header];
  for (let at = 0; at < bytes.length; at += XERIAL_BLOCK_BYTES) {
    const block = snappyCompress(bytes.subarray(at, at + XERIAL_BLOCK_BYTES));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length, 0);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

function fromXerial(bytes: Buffer): Buffer {
  // Some clients write bare snappy; Kafka's own readers accept both.
  if (!bytes.subarray(0, 8).equals(XERIAL_MAGIC)) return unpackSnappy(bytes);
  const parts: Buffer[] = [];
  let total = 0;
  for (let at = 16; at < bytes.length;) {
    if (at + 4 > bytes.length)
      throw new MalformedError("unpack snappy records: a block is cut off");
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0 || at + length > bytes.length) {
      throw new MalformedError("unpack snappy records: a block is longer than the batch");
    }
    const part = unpackSnappy(bytes.subarray(at, at + length));
    total += part.length;
    if (total > UNPACKED_BYTES_MAX) throw new MalformedError("unpack snappy records: too large");
    parts.push(part);
    at += length;
  }
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts, total);
}

function unpackSnappy(block: Buffer): Buffer {
  // The block says first, as a varint, how long it will be: look before memory is taken.
  let size = 0;
  for (let at = 0, shift = 0; at < Math.min(5, block.length); at++, shift += 7) {
    const byte = block[at] ?? 0;
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  if (size > Math.min(UNPACKED_BYTES_MAX, block.length * SNAPPY_RATIO_MAX))
    throw new MalformedError("unpack snappy records: too large");
  return Buffer.from(snappyUncompress(block, { asBuffer: true }) as Buffer);
}

/** The library has no limit: what the blocks unpack to at most is added up from their headers. */
function unpackLz4(bytes: Buffer): Buffer {
  if (bytes.readUInt32LE(0) !== LZ4_MAGIC) throw new MalformedError("unpack lz4 records: no frame");
  const flags = bytes[4] ?? 0;
  const blockBytesMax = 1 << (8 + 2 * (((bytes[5] ?? 0) >> 4) & 7));
  let size = 0;
  for (let at = 7 + (flags & 8) + (flags & 1) * 4; at + 4 <= bytes.length; size += blockBytesMax) {
    const length = bytes.readUInt32LE(at) & 0x7fffffff;
    if (length === 0) break;
    at += 4 + length + ((flags >> 4) & 1) * 4;
  }
  if (size > UNPACKED_BYTES_MAX) throw new MalformedError("unpack lz4 records: too large");
  return decompressFrameSync(bytes);
}
