import duckdb from "@duckdb/node-bindings";
import { BLOB } from "@duckdb/node-api";

// DuckDB's texts are 16 bytes each (duckdb_string_t of duckdb.h, part of its stable C interface):
// the length, then either up to 12 bytes of the text itself, or its first 4 and its address. Given
// the address of one block of bytes, all texts in it can be said with numbers: 10 ns a text instead
// of 200 for a call into native code, and DuckDB copies none of them.

/** Texts of at most so many bytes stand in the entry itself. */
const INLINE_BYTES = 12;
/** 32-bit words of an entry. */
export const ENTRY_WORDS = 4;
export const ENTRY_BYTES = 16;

/** The least size of a block: a shorter one would itself be inline, without an address. */
const BLOCK_BYTES_MIN = 64;

/**
 * Memory outside of JavaScript that holds the bytes of one chunk of rows. It is ours until the next
 * `fill`, so what DuckDB does with the chunk cannot free it too early; two of them take turns, and
 * DuckDB asks for a chunk only when it is done with the one before.
 */
export class NativeBlock {
  readonly #chunk = duckdb.create_data_chunk([BLOB.toLogicalType().logical_type]);

  /** Copies the first `length` bytes; returns their address. */
  fill(bytes: Buffer, length: number): number {
    duckdb.data_chunk_reset(this.#chunk);
    const vector = duckdb.data_chunk_get_vector(this.#chunk, 0);
    const block = bytes.subarray(0, Math.max(length, BLOCK_BYTES_MIN));
    duckdb.vector_assign_string_element_len(vector, 0, block);
    const entry = duckdb.vector_get_data(vector, ENTRY_BYTES);
    const address = new DataView(entry.buffer, entry.byteOffset, ENTRY_BYTES).getBigUint64(8, true);
    return Number(address);
  }
}

/**
 * Writes the entry of a text that stands in `bytes` at `start` and will stand at `place` of the
 * block; addAddress makes an address of that.
 */
export function writeEntry(
  entries: Uint32Array,
  index: number,
  bytes: Uint8Array,
  start: number,
  length: number,
  place: number,
): void {
  const at = index * ENTRY_WORDS;
  entries[at] = length;
  if (length > INLINE_BYTES) {
    entries[at + 1] = wordOf(bytes, start, 4);
    entries[at + 2] = place;
    return;
  }
  entries[at + 1] = wordOf(bytes, start, length);
  entries[at + 2] = wordOf(bytes, start + 4, length - 4);
  entries[at + 3] = wordOf(bytes, start + 8, length - 8);
}

/** Makes addresses of the places of `count` entries. */
export function addAddress(entries: Uint32Array, count: number, address: number): void {
  for (let at = 0; at < count * ENTRY_WORDS; at += ENTRY_WORDS) {
    if ((entries[at] ?? 0) <= INLINE_BYTES) continue;
    const absolute = address + (entries[at + 2] ?? 0);
    entries[at + 2] = absolute;
    entries[at + 3] = absolute / 0x1_0000_0000;
  }
}

/** Whether a text of this length needs its bytes in a block. */
export function needsBlock(length: number): boolean {
  return length > INLINE_BYTES;
}

function wordOf(bytes: Uint8Array, start: number, count: number): number {
  if (count <= 0) return 0;
  let word = bytes[start] ?? 0;
  if (count > 1) word |= (bytes[start + 1] ?? 0) << 8;
  if (count > 2) word |= (bytes[start + 2] ?? 0) << 16;
  if (count > 3) word |= (bytes[start + 3] ?? 0) << 24;
  return word;
}

/** Whether this build of DuckDB has the layout above: its own entries are compared with ours. */
export function hasKnownLayout(): boolean {
  const texts = ["ab", "twelve bytes", "more than twelve bytes"].map((each) => Buffer.from(each));
  const chunk = duckdb.create_data_chunk([BLOB.toLogicalType().logical_type]);
  duckdb.data_chunk_set_size(chunk, texts.length);
  const vector = duckdb.data_chunk_get_vector(chunk, 0);
  const ours = new Uint32Array(texts.length * ENTRY_WORDS);
  for (const [index, text] of texts.entries()) {
    duckdb.vector_assign_string_element_len(vector, index, text);
    writeEntry(ours, index, text, 0, text.length, 0);
  }
  const data = Buffer.from(duckdb.vector_get_data(vector, texts.length * ENTRY_BYTES));
  // The address is theirs to choose: the last two words of the long text.
  return ours.every((word, index) => {
    return index >= ours.length - 2 || data.readUInt32LE(index * 4) === word;
  });
}
