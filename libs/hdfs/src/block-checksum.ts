import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { crc32c } from "@node-rs/crc32";

/**
 * HDFS's checksum of a file (FileChecksumHelper of Hadoop): a CRC-32C per chunk, an MD5 over those
 * of each block, and an MD5 over those of all blocks. It is compared with GETFILECHECKSUM, so that
 * what the DataNode has is what was sent, without reading it back.
 *
 * @param chunkBytes dfs.bytes-per-checksum, part of the algorithm's name
 * @returns the 28 bytes that HDFS gives: chunk size, CRCs per block, digest
 */
export async function blockChecksum(
  content: Readable,
  blockBytes: number,
  chunkBytes: number,
): Promise<Buffer> {
  const blocks: Buffer[] = [];
  let block = createHash("md5");
  let blockLeft = blockBytes;
  let rest: Buffer = Buffer.alloc(0);
  const addChunk = (chunk: Buffer) => {
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(crc32c(chunk));
    block.update(crc);
    blockLeft -= chunk.length;
    if (blockLeft > 0) return;
    blocks.push(block.digest());
    block = createHash("md5");
    blockLeft = blockBytes;
  };
  for await (const piece of content as AsyncIterable<Buffer>) {
    const buffer = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let at = 0;
    for (; at + chunkBytes <= buffer.length; at += chunkBytes) {
      addChunk(buffer.subarray(at, at + chunkBytes));
    }
    rest = buffer.subarray(at);
  }
  if (rest.length > 0) addChunk(rest);
  if (blockLeft < blockBytes) blocks.push(block.digest());
  const result = Buffer.alloc(28);
  result.writeInt32BE(chunkBytes, 0);
  result.writeBigInt64BE(blocks.length > 1 ? BigInt(blockBytes / chunkBytes) : 0n, 4);
  createHash("md5")
    .update(padded(Buffer.concat(blocks)))
    .digest()
    .copy(result, 12);
  return result;
}

/** Hadoop digests its whole growing buffer, zeros behind the data included: 32 bytes, doubling. */
function padded(digests: Buffer): Buffer {
  let size = 32;
  while (size < digests.length) size *= 2;
  const buffer = Buffer.alloc(size);
  digests.copy(buffer);
  return buffer;
}

/** `MD5-of-0MD5-of-512CRC32C` -> 512; undefined for algorithms that are not computed here. */
export function chunkBytesOf(algorithm: string): number | undefined {
  const match = /^MD5-of-\d+MD5-of-(\d+)CRC32C$/.exec(algorithm);
  return match ? Number(match[1]) : undefined;
}
