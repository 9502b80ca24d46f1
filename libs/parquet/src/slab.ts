import { ROW_WORDS } from "./row-layout.ts";

/** Bytes of values in a slab: more than the largest value takes. */
export const SLAB_BYTES = 1_048_576;
const SLAB_ROWS = 4_096;
const SIDE_BYTES = 65_536;

/** A scanner may look this far behind a value. */
const PADDING = 8;

/**
 * A piece of a buffer: values of records, one behind the other, each with a zero byte behind it;
 * beside them what of the records is no part of their values (keys, headers, composed texts); and
 * the rows, as words. Slabs are used again, since memory of this size costs more to get than to fill.
 */
export class Slab {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES + PADDING);
  readonly words = new Int32Array(SLAB_ROWS * ROW_WORDS);
  readonly longs = new BigInt64Array(this.words.buffer);
  side: Buffer = Buffer.allocUnsafeSlow(SIDE_BYTES);
  bytesUsed = 0;
  sideUsed = 0;
  rows = 0;

  clear(): void {
    this.bytesUsed = 0;
    this.sideUsed = 0;
    this.rows = 0;
    if (this.side.length > 8 * SIDE_BYTES) this.side = Buffer.allocUnsafeSlow(SIDE_BYTES);
  }

  /** How many more values of this size there is room for, rows that are still to come included. */
  hasRoomFor(bytes: number, pendingRows: number): boolean {
    return this.bytesUsed + bytes < SLAB_BYTES && this.rows + pendingRows < SLAB_ROWS;
  }

  /** Returns the value's place. */
  addValue(value: Buffer): number {
    const start = this.bytesUsed;
    value.copy(this.bytes, start);
    const end = start + value.length;
    this.bytes[end] = 0;
    this.bytesUsed = end + 1;
    return start;
  }

  /** Copies bytes to the side; returns their place. */
  addSide(bytes: Uint8Array, from: number, length: number): number {
    this.#reserve(length);
    const start = this.sideUsed;
    const { side } = this;
    for (let index = 0; index < length; index++) side[start + index] = bytes[from + index] ?? 0;
    this.sideUsed = start + length;
    return start;
  }

  addSideText(text: string): { readonly start: number; readonly length: number } {
    this.#reserve(text.length * 3);
    const start = this.sideUsed;
    const length = this.side.write(text, start, "utf8");
    this.sideUsed = start + length;
    return { start, length };
  }

  #reserve(length: number): void {
    if (this.sideUsed + length <= this.side.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.side.length * 2, this.sideUsed + length));
    this.side.copy(grown, 0, 0, this.sideUsed);
    this.side = grown;
  }
}
