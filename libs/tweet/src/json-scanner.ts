import { SLOTS_MAX, type ShapeNode } from "./scan-shapes.ts";

// The hot path of landing: every byte of every record passes here once. It works on bytes without
// making strings or objects, and 1.3 us for a post of 700 bytes is what JSON.parse alone exceeds.

/** What stands in a slot. */
export const Kind = {
  absent: 0,
  null: 1,
  /** Text without escapes: its bytes are its characters. */
  text: 2,
  /** Text with escapes that UTF-8 can express. */
  escaped: 3,
  /** Text with escapes of NUL or of half a surrogate pair. */
  unstorable: 4,
  /** A whole number from 0 to 2^53 - 1, without fraction or exponent. */
  count: 5,
  /** Any other number. */
  number: 6,
  true: 7,
  false: 8,
  object: 9,
  list: 10,
} as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** Real posts need about ten; far below what the reader in JavaScript allows, so that it decides. */
const DEPTH_MAX = 64;

/** 1 for bytes that a string may hold as they are. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'));

/**
 * A strict reader of JSON (RFC 8259) in bytes, which keeps where the members of a known shape
 * stand. What it refuses need not be wrong: it may only be unusual (a known member twice, escapes
 * in its name, deep nesting).
 *
 * The bytes must be UTF-8 and followed by a zero byte, which is no part of any JSON: it ends every
 * loop here, so that none has to look at the length.
 */
export class JsonScanner {
  bytes: Uint8Array = new Uint8Array(1);
  #words = new DataView(this.bytes.buffer);
  readonly kinds = new Uint8Array(SLOTS_MAX);
  /** Of text the place behind the first quote, of everything else its first byte. */
  readonly starts = new Int32Array(SLOTS_MAX);
  /** Of text the place of the last quote, of everything else that behind its last byte. */
  readonly ends = new Int32Array(SLOTS_MAX);
  readonly numbers = new Float64Array(SLOTS_MAX);
  /** Of the last value that was passed. */
  kind: number = Kind.absent;
  #number = 0;

  /** What to scan from now on. */
  read(bytes: Uint8Array): void {
    if (bytes === this.bytes) return;
    this.bytes = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Empties the slots of a shape. A loop: `fill` costs more than it for so few. */
  forget({ firstSlot, endSlot }: { readonly firstSlot: number; readonly endSlot: number }): void {
    const { kinds } = this;
    for (let slot = firstSlot; slot < endSlot; slot++) kinds[slot] = Kind.absent;
  }

  /** Whether `start` to `end` is one object; then the slots of the shape are filled. */
  scan(node: ShapeNode, start: number, end: number): boolean {
    const at = this.skipSpace(start);
    if (this.bytes[at] !== OPEN_OBJECT) return false;
    const behind = this.#walk(node, at + 1, DEPTH_MAX);
    return behind >= 0 && this.skipSpace(behind) === end;
  }

  /** The first element of a list that was passed before, or -1 when it is empty. */
  firstElement(start: number): number {
    const at = this.skipSpace(start + 1);
    return this.bytes[at] === CLOSE_LIST ? -1 : at;
  }

  /** The element behind the one that ends at `end`, or -1. */
  nextElement(end: number): number {
    const at = this.skipSpace(end);
    return this.bytes[at] === COMMA ? this.skipSpace(at + 1) : -1;
  }

  /** Passes one element: an object of the shape, or any other value. Returns its end, or -1. */
  element(node: ShapeNode, at: number): number {
    if (this.bytes[at] !== OPEN_OBJECT) return this.value(at, DEPTH_MAX);
    return this.#walk(node, at + 1, DEPTH_MAX);
  }

  /** Passes a value; returns the place behind it, or -1. */
  value(at: number, depth: number = DEPTH_MAX): number {
    const byte = this.bytes[at] ?? 0;
    if (byte === QUOTE) return this.#string(at + 1);
    if (byte === OPEN_OBJECT) return this.#object(at + 1, depth);
    if (byte === OPEN_LIST) return this.#list(at + 1, depth);
    if (byte === MINUS || (byte >= 0x30 && byte <= 0x39)) return this.#numberAt(at);
    return this.#word(at);
  }

  skipSpace(at: number): number {
    const { bytes } = this;
    let byte = bytes[at] ?? 0;
    while (byte <= 0x20 && (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)) {
      at += 1;
      byte = bytes[at] ?? 0;
    }
    return at;
  }

  /** An object of a known shape, from behind its brace. */
  #walk(node: ShapeNode, from: number, depth: number): number {
    if (depth === 0) return -1;
    const { bytes, kinds } = this;
    let at = this.skipSpace(from);
    if (bytes[at] === CLOSE_OBJECT) {
      this.kind = Kind.object;
      return at + 1;
    }
    for (;;) {
      if (bytes[at] !== QUOTE) return -1;
      const nameStart = at + 1;
      at = this.#string(nameStart);
      // A name with escapes may be one that is looked for.
      if (at < 0 || this.kind !== Kind.text) return -1;
      const member = node.find(bytes, nameStart, at - 1);
      at = this.skipSpace(at);
      if (bytes[at] !== COLON) return -1;
      at = this.skipSpace(at + 1);
      if (member === undefined) at = this.value(at, depth - 1);
      else {
        const { slot } = member;
        if (kinds[slot] !== Kind.absent) return -1;
        at = this.#member(slot, member.node, at, depth - 1);
      }
      if (at < 0) return -1;
      at = this.skipSpace(at);
      if (bytes[at] !== COMMA) break;
      at = this.skipSpace(at + 1);
    }
    if (bytes[at] !== CLOSE_OBJECT) return -1;
    this.kind = Kind.object;
    return at + 1;
  }

  #member(slot: number, node: ShapeNode | null, at: number, depth: number): number {
    const isKnownObject = node !== null && this.bytes[at] === OPEN_OBJECT;
    const end = isKnownObject ? this.#walk(node, at + 1, depth) : this.value(at, depth);
    if (end < 0) return -1;
    const { kind } = this;
    const quote = kind === Kind.text || kind === Kind.escaped || kind === Kind.unstorable ? 1 : 0;
    this.kinds[slot] = kind;
    this.starts[slot] = at + quote;
    this.ends[slot] = end - quote;
    this.numbers[slot] = this.#number;
    return end;
  }

  #object(from: number, depth: number): number {
    if (depth === 0) return -1;
    const { bytes } = this;
    let at = this.skipSpace(from);
    if (bytes[at] !== CLOSE_OBJECT) {
      for (;;) {
        if (bytes[at] !== QUOTE) return -1;
        at = this.#string(at + 1);
        if (at < 0) return -1;
        at = this.skipSpace(at);
        if (bytes[at] !== COLON) return -1;
        at = this.value(this.skipSpace(at + 1), depth - 1);
        if (at < 0) return -1;
        at = this.skipSpace(at);
        if (bytes[at] !== COMMA) break;
        at = this.skipSpace(at + 1);
      }
      if (bytes[at] !== CLOSE_OBJECT) return -1;
    }
    this.kind = Kind.object;
    return at + 1;
  }

  #list(from: number, depth: number): number {
    if (depth === 0) return -1;
    const { bytes } = this;
    let at = this.skipSpace(from);
    if (bytes[at] !== CLOSE_LIST) {
      for (;;) {
        at = this.value(at, depth - 1);
        if (at < 0) return -1;
        at = this.skipSpace(at);
        if (bytes[at] !== COMMA) break;
        at = this.skipSpace(at + 1);
      }
      if (bytes[at] !== CLOSE_LIST) return -1;
    }
    this.kind = Kind.list;
    return at + 1;
  }

  /** From behind the quote to behind the other. */
  #string(from: number): number {
    const { bytes } = this;
    let at = this.#plain(from);
    while (PLAIN[bytes[at] ?? 0] === 1) at += 1;
    if (bytes[at] === QUOTE) {
      this.kind = Kind.text;
      return at + 1;
    }
    return this.#escapedString(at);
  }

  /** Passes four bytes at a time, as long as all of them are plain. */
  #plain(from: number): number {
    const words = this.#words;
    const last = this.bytes.length - 4;
    let at = from;
    while (at <= last) {
      const word = words.getInt32(at, true);
      const quotes = word ^ 0x22222222;
      const slashes = word ^ 0x5c5c5c5c;
      // A byte that is below the subtrahend borrows, and leaves its high bit (Hacker's Delight, 6-1).
      const found =
        ((word - 0x20202020) & ~word) |
        ((quotes - 0x01010101) & ~quotes) |
        ((slashes - 0x01010101) & ~slashes);
      if ((found & 0x80808080) !== 0) return at;
      at += 4;
    }
    return at;
  }

  #escapedString(from: number): number {
    const { bytes } = this;
    let kind: number = Kind.escaped;
    let at = from;
    while (bytes[at] === BACKSLASH) {
      if (bytes[at + 1] === 0x75) {
        const unit = this.#hex(at + 2);
        if (unit < 0) return -1;
        at += 6;
        if (unit === 0) kind = Kind.unstorable;
        else if (unit >= 0xd800 && unit <= 0xdfff) {
          if (this.#isLowSurrogate(at) && unit < 0xdc00) at += 6;
          else kind = Kind.unstorable;
        }
      } else {
        if (!ESCAPES.has(bytes[at + 1] ?? 0)) return -1;
        at += 2;
      }
      while (PLAIN[bytes[at] ?? 0] === 1) at += 1;
    }
    if (bytes[at] !== QUOTE) return -1;
    this.kind = kind;
    return at + 1;
  }

  #isLowSurrogate(at: number): boolean {
    const { bytes } = this;
    if (bytes[at] !== BACKSLASH || bytes[at + 1] !== 0x75) return false;
    const unit = this.#hex(at + 2);
    return unit >= 0xdc00 && unit <= 0xdfff;
  }

  /** Four hex digits, or -1. */
  #hex(from: number): number {
    let unit = 0;
    for (let at = from; at < from + 4; at++) {
      const byte = this.bytes[at] ?? 0;
      const lower = byte | 0x20;
      if (byte >= 0x30 && byte <= 0x39) unit = (unit << 4) | (byte - 0x30);
      else if (lower >= 0x61 && lower <= 0x66) unit = (unit << 4) | (lower - 0x57);
      else return -1;
    }
    return unit;
  }

  #numberAt(start: number): number {
    const { bytes } = this;
    let at = bytes[start] === MINUS ? start + 1 : start;
    const firstDigit = at;
    let number = 0;
    let byte = bytes[at] ?? 0;
    while (byte >= 0x30 && byte <= 0x39) {
      number = number * 10 + (byte - 0x30);
      at += 1;
      byte = bytes[at] ?? 0;
    }
    const digits = at - firstDigit;
    if (digits === 0 || (digits > 1 && bytes[firstDigit] === 0x30)) return -1;
    let isWhole = firstDigit === start && digits <= 16 && number <= Number.MAX_SAFE_INTEGER;
    if (byte === 0x2e) {
      isWhole = false;
      at = this.#digits(at + 1);
      if (at < 0) return -1;
      byte = bytes[at] ?? 0;
    }
    if ((byte | 0x20) === 0x65) {
      isWhole = false;
      const sign = bytes[at + 1];
      at = this.#digits(sign === MINUS || sign === 0x2b ? at + 2 : at + 1);
      if (at < 0) return -1;
    }
    this.kind = isWhole ? Kind.count : Kind.number;
    this.#number = number;
    return at;
  }

  /** At least one digit; the place behind the last, or -1. */
  #digits(from: number): number {
    let at = from;
    let byte = this.bytes[at] ?? 0;
    while (byte >= 0x30 && byte <= 0x39) {
      at += 1;
      byte = this.bytes[at] ?? 0;
    }
    return at > from ? at : -1;
  }

  #word(at: number): number {
    const { bytes } = this;
    const second = bytes[at + 1];
    const third = bytes[at + 2];
    const fourth = bytes[at + 3];
    switch (bytes[at]) {
      case 0x74: // true
        if (second !== 0x72 || third !== 0x75 || fourth !== 0x65) return -1;
        this.kind = Kind.true;
        return at + 4;
      case 0x6e: // null
        if (second !== 0x75 || third !== 0x6c || fourth !== 0x6c) return -1;
        this.kind = Kind.null;
        return at + 4;
      case 0x66: // false
        if (second !== 0x61 || third !== 0x6c || fourth !== 0x73 || bytes[at + 4] !== 0x65)
          return -1;
        this.kind = Kind.false;
        return at + 5;
      default:
        return -1;
    }
  }
}
