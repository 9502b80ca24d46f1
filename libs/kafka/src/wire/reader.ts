import { MalformedError } from "../errors.ts";

/**
 * Reads the primitives of the Kafka protocol (KIP-482 flexible encoding) from one frame. Every
 * read is checked against the end of the frame, and counts against what can still follow, so that
 * damaged bytes raise a MalformedError and never make a huge array or a read outside the frame.
 */
export class ProtocolReader {
  readonly buffer: Buffer;
  offset: number;

  constructor(buffer: Buffer, offset = 0) {
    this.buffer = buffer;
    this.offset = offset;
  }

  get remaining(): number {
    return this.buffer.length - this.offset;
  }

  /** Moves over `count` bytes and says where they began. */
  skip(count: number): number {
    const at = this.offset;
    if (count < 0 || count > this.buffer.length - at) {
      throw new MalformedError(
        `read ${count} bytes at ${at} of a frame of ${this.buffer.length}: they are not there`,
      );
    }
    this.offset = at + count;
    return at;
  }

  bool(): boolean {
    return this.i8() !== 0;
  }

  i8(): number {
    return this.buffer.readInt8(this.skip(1));
  }

  i16(): number {
    return this.buffer.readInt16BE(this.skip(2));
  }

  i32(): number {
    return this.buffer.readInt32BE(this.skip(4));
  }

  i64(): bigint {
    return this.buffer.readBigInt64BE(this.skip(8));
  }

  /** 32 lower-case hex digits. */
  uuid(): string {
    const at = this.skip(16);
    return this.buffer.toString("hex", at, at + 16);
  }

  /** Unsigned base-128 number of at most 32 bits. */
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.buffer[this.skip(1)] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new MalformedError(`read a varint at ${this.offset}: it is longer than 5 bytes`);
  }

  compactBytes(): Buffer | null {
    const length = this.uvarint() - 1;
    if (length < 0) return null;
    const at = this.skip(length);
    return this.buffer.subarray(at, at + length);
  }

  compactNullableString(): string | null {
    const length = this.uvarint() - 1;
    if (length < 0) return null;
    const at = this.skip(length);
    return this.buffer.toString("utf8", at, at + length);
  }

  compactString(): string {
    return this.compactNullableString() ?? "";
  }

  /** Reads a compact array; a null array is an empty one. */
  array<T>(item: (reader: ProtocolReader) => T): T[] {
    return this.#items(this.uvarint() - 1, item);
  }

  /** A string in the older encoding, with a 16-bit length. */
  plainString(): string | null {
    const length = this.i16();
    if (length < 0) return null;
    const at = this.skip(length);
    return this.buffer.toString("utf8", at, at + length);
  }

  /** Bytes in the older encoding, with a 32-bit length. */
  plainBytes(): Buffer | null {
    const length = this.i32();
    if (length < 0) return null;
    const at = this.skip(length);
    return this.buffer.subarray(at, at + length);
  }

  /** Reads an array in the older encoding with a 32-bit count. */
  plainArray<T>(item: (reader: ProtocolReader) => T): T[] {
    return this.#items(this.i32(), item);
  }

  #items<T>(count: number, item: (reader: ProtocolReader) => T): T[] {
    // Every element of every array of the protocol takes at least one byte.
    if (count > this.remaining) {
      throw new MalformedError(
        `read an array of ${count} at ${this.offset}: only ${this.remaining} bytes follow`,
      );
    }
    const items: T[] = [];
    for (let index = 0; index < count; index++) items.push(item(this));
    return items;
  }

  /** Reads tagged fields; those that `known` does not take are skipped. */
  tags(known?: (tag: number, reader: ProtocolReader) => void): void {
    const count = this.uvarint();
    for (let index = 0; index < count; index++) {
      const tag = this.uvarint();
      const length = this.uvarint();
      const at = this.skip(length);
      known?.(tag, new ProtocolReader(this.buffer.subarray(at, at + length)));
    }
  }
}
