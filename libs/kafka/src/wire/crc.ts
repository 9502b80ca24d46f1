import { crc32c } from "@node-rs/crc32";

export { crc32c };

/**
 * CRC-32C is affine: for two byte strings of one length, crc(A) xor crc(B) depends on A xor B only.
 * So when some bytes of a batch header change, the new checksum follows from the old one, the
 * change and the number of bytes after it, with no pass over the payload. The producer's own
 * checksum is thereby carried from cluster to cluster: damage on the way is found by the target's
 * check, where a computed checksum would have blessed it.
 */
const POLYNOMIAL = 0x82f63b78;

const byteTable = makeByteTable();
/** For each power of two of zero bytes, four tables of 256: what it does to each byte of a CRC. */
const zeroTables = makeZeroTables(31);

/** CRC-32C without initial and final inversion: what a difference of two strings contributes. */
export function rawCrc32c(bytes: Uint8Array, state = 0): number {
  let crc = state;
  for (const byte of bytes) crc = (byteTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return crc >>> 0;
}

/** What becomes of a raw CRC when `count` zero bytes follow. */
export function shiftCrc32c(crc: number, count: number): number {
  let value = crc;
  for (let power = 0, rest = count; rest > 0; power++, rest = Math.floor(rest / 2)) {
    const table = rest % 2 === 1 ? zeroTables[power] : undefined;
    if (table === undefined) continue;
    value =
      (table[value & 0xff] ?? 0) ^
      (table[256 + ((value >>> 8) & 0xff)] ?? 0) ^
      (table[512 + ((value >>> 16) & 0xff)] ?? 0) ^
      (table[768 + (value >>> 24)] ?? 0);
  }
  return value >>> 0;
}

/**
 * The checksum after a change of bytes that `tailBytes` unchanged ones follow.
 *
 * @param difference old xor new of the changed bytes
 */
export function patchCrc32c(crc: number, difference: Uint8Array, tailBytes: number): number {
  return (crc ^ shiftCrc32c(rawCrc32c(difference), tailBytes)) >>> 0;
}

/** The checksum of B alone, from those of A followed by B, and of A. */
export function suffixCrc32c(whole: number, prefix: number, suffixBytes: number): number {
  return (whole ^ shiftCrc32c(prefix, suffixBytes)) >>> 0;
}

function makeByteTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  return table;
}

function makeZeroTables(powers: number): readonly Uint32Array[] {
  let columns = Uint32Array.from({ length: 32 }, (_, bit) =>
    rawCrc32c(Uint8Array.of(0), (1 << bit) >>> 0),
  );
  const tables: Uint32Array[] = [];
  for (let power = 0; power < powers; power++) {
    const current = columns;
    tables.push(
      Uint32Array.from({ length: 1024 }, (_, at) =>
        apply(current, ((at & 0xff) << (8 * (at >>> 8))) >>> 0),
      ),
    );
    columns = current.map((column) => apply(current, column));
  }
  return tables;
}

/** The product of a matrix over GF(2), given by its columns, and a vector. */
function apply(columns: Uint32Array, vector: number): number {
  let sum = 0;
  for (let bit = 0; bit < 32; bit++) if ((vector >>> bit) & 1) sum ^= columns[bit] ?? 0;
  return sum >>> 0;
}
