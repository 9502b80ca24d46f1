/**
 * Writes the primitives of the Kafka protocol (KIP-482 flexible encoding). Large byte strings are
 * kept as they are and not copied: `chunks()` is what goes to the socket.
 */
export class ProtocolWriter {
  readonly #done: Buffer[] = [];
  #buffer: Buffer;
  #start = 0;
  #offset = 0;
  #doneBytes = 0;

  constructor(size = 256) {
    this.#buffer = Buffer.allocUnsafe(size);
  }

  get length(): number {
    return this.#doneBytes + this.#offset - this.#start;
  }

  chunks(): Buffer[] {
    this.#cut();
    return this.#done;
  }

  bool(value: boolean): this {
    return this.i8(value ? 1 : 0);
  }

  i8(value: number): this {
    this.#room(1);
    this.#offset = this.#buffer.writeInt8(value, this.#offset);
    return this;
  }

  i16(value: number): this {
    this.#room(2);
    this.#offset = this.#buffer.writeInt16BE(value, this.#offset);
    return this;
  }

  i32(value: number): this {
    this.#room(4);
    this.#offset = this.#buffer.writeInt32BE(value, this.#offset);
    return this;
  }

  i64(value: bigint): this {
    this.#room(8);
    this.#offset = this.#buffer.writeBigInt64BE(value, this.#offset);
    return this;
  }

  /** 32 hex digits. */
  uuid(value: string): this {
    this.#room(16);
    this.#offset += this.#buffer.write(value, this.#offset, "hex");
    return this;
  }

  uvarint(value: number): this {
    this.#room(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#offset++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#offset++] = rest;
    return this;
  }

  compactString(value: string | null): this {
    if (value === null) return this.uvarint(0);
    const bytes = Buffer.byteLength(value);
    this.uvarint(bytes + 1);
    this.#room(bytes);
    this.#offset += this.#buffer.write(value, this.#offset);
    return this;
  }

  /** The older encoding, with a 16-bit length. */
  plainString(value: string | null): this {
    if (value === null) return this.i16(-1);
    const bytes = Buffer.byteLength(value);
    this.i16(bytes);
    this.#room(bytes);
    this.#offset += this.#buffer.write(value, this.#offset);
    return this;
  }

  /** The bytes themselves go out, not a copy: they must not change until they are sent. */
  compactBytes(value: Buffer): this {
    this.uvarint(value.length + 1);
    if (value.length < 1024) {
      this.#room(value.length);
      this.#offset += value.copy(this.#buffer, this.#offset);
      return this;
    }
    this.#cut();
    this.#done.push(value);
    this.#doneBytes += value.length;
    return this;
  }

  array<T>(items: readonly T[], write: (writer: this, item: T) => void): this {
    this.uvarint(items.length + 1);
    for (const item of items) write(this, item);
    return this;
  }

  /** The older encoding, with a 32-bit count. */
  plainArray<T>(items: readonly T[], write: (writer: this, item: T) => void): this {
    this.i32(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  nullArray(): this {
    return this.uvarint(0);
  }

  noTags(): this {
    return this.uvarint(0);
  }

  #room(bytes: number): void {
    if (this.#offset + bytes <= this.#buffer.length) return;
    this.#cut();
    this.#buffer = Buffer.allocUnsafe(Math.max(1024, bytes));
    this.#start = this.#offset = 0;
  }

  #cut(): void {
    if (this.#offset === this.#start) return;
    this.#done.push(this.#buffer.subarray(this.#start, this.#offset));
    this.#doneBytes += this.#offset - this.#start;
    this.#start = this.#offset;
  }
}
