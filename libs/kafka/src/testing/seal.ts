import { crc32c } from "../wire/crc.ts";

/** Gives a batch whose header was edited the checksum of what it holds now (KIP-98: bytes 21 on). */
export function sealBatch(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}
