/**
 * Remembers at least the last `count` hashes of what was said, at most twice as many: two
 * generations of a table, of which the older is forgotten when the younger is full. A hash has 64
 * bits, so that among a million of them a new one is taken for known once in 10^13 times. Sixteen
 * bytes of memory for each: a Set of a million texts takes ten times that.
 */
export class Window {
  readonly #count: number;
  #younger: Table;
  #older: Table;

  constructor(count: number) {
    this.#count = count;
    this.#younger = new Table(count);
    this.#older = new Table(count);
  }

  has(high: number, low: number): boolean {
    return this.#younger.has(high, low) || this.#older.has(high, low);
  }

  add(high: number, low: number): void {
    if (this.#younger.size >= this.#count) {
      const oldest = this.#older;
      this.#older = this.#younger;
      oldest.clear();
      this.#younger = oldest;
    }
    this.#younger.add(high, low);
  }

  /** For what was added and then not kept. */
  remove(high: number, low: number): void {
    this.#younger.remove(high, low);
    this.#older.remove(high, low);
  }

  /** All hashes, the older ones first: two words each. */
  dump(): Buffer {
    const older = this.#older.dump();
    const younger = this.#younger.dump();
    return Buffer.concat([Buffer.from(Uint32Array.of(older.length / 8).buffer), older, younger]);
  }

  /** Takes what `dump` gave. */
  load(dump: Buffer): void {
    const olderEnd = 4 + dump.readUInt32LE(0) * 8;
    for (let at = 4; at + 8 <= dump.length; at += 8) {
      const table = at < olderEnd ? this.#older : this.#younger;
      table.add(dump.readUInt32LE(at), dump.readUInt32LE(at + 4));
    }
  }
}

/** Open addressing. A pair of zeros is a free slot; what is removed leaves a mark. */
const REMOVED_LOW = 1;

class Table {
  readonly #words: Uint32Array;
  readonly #mask: number;
  size = 0;

  constructor(count: number) {
    const slots = 2 ** Math.ceil(Math.log2(count * 2 + 2));
    this.#words = new Uint32Array(slots * 2);
    this.#mask = slots - 1;
  }

  has(high: number, low: number): boolean {
    return this.#find(high, low) >= 0;
  }

  add(high: number, low: number): void {
    if (this.#find(high, low) >= 0) return;
    let slot = low & this.#mask;
    while (this.#words[slot * 2] !== 0 || this.#words[slot * 2 + 1] !== 0) {
      slot = (slot + 1) & this.#mask;
    }
    this.#words[slot * 2] = high;
    this.#words[slot * 2 + 1] = low;
    this.size += 1;
  }

  remove(high: number, low: number): void {
    const slot = this.#find(high, low);
    if (slot < 0) return;
    // It goes on counting: a slot that is marked is not free again until the table is cleared.
    this.#words[slot * 2] = 0;
    this.#words[slot * 2 + 1] = REMOVED_LOW;
  }

  clear(): void {
    this.#words.fill(0);
    this.size = 0;
  }

  dump(): Buffer {
    const words = this.#words;
    const kept = new Uint32Array(this.size * 2);
    let at = 0;
    for (let slot = 0; slot < words.length; slot += 2) {
      const high = words[slot] ?? 0;
      const low = words[slot + 1] ?? 0;
      if (high === 0 && low <= REMOVED_LOW) continue;
      kept[at++] = high;
      kept[at++] = low;
    }
    return Buffer.from(kept.buffer, 0, at * 4);
  }

  #find(high: number, low: number): number {
    for (let slot = low & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const there = this.#words[slot * 2] ?? 0;
      const below = this.#words[slot * 2 + 1] ?? 0;
      if (there === high && below === low) return slot;
      if (there === 0 && below === 0) return -1;
    }
  }
}

/** 64 bits of a text, of which nobody outside knows the seed; never a pair that a table uses. */
export function hashOf(text: string, seed: number): readonly [high: number, low: number] {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return [(high | 1) >>> 0, low >>> 0];
}
