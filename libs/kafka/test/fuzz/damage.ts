import type { Random } from "../../src/testing/workload.ts";

/** Values that a length or a count is read wrong with more often than with any random one. */
const NASTY = [0, 1, 0x7f, 0x80, 0xff, 0xfe] as const;

/**
 * Makes damaged copies in one buffer: what it returns is valid until the next call, so that a
 * million of them cost no memory.
 */
export class Damager {
  readonly #random: Random;
  #room = Buffer.alloc(0);

  constructor(random: Random) {
    this.#random = random;
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /** Strikes up to three times between `from` and `to`; a cut takes all that follows. */
  damage(good: Buffer, from = 0, to = good.length): Buffer {
    if (this.#room.length < good.length + 64) this.#room = Buffer.alloc(good.length * 2 + 64);
    let length = good.copy(this.#room);
    for (let count = 1 + this.below(3); count > 0; count--) {
      const room = Math.min(to, length) - from;
      if (room > 0) length = this.#strike(length, from + this.below(room));
    }
    return this.#room.subarray(0, length);
  }

  /** Bytes without any sense. */
  noise(lengthMax: number): Buffer {
    const length = this.below(lengthMax);
    if (this.#room.length < length) this.#room = Buffer.alloc(lengthMax);
    for (let at = 0; at < length; at++) this.#room[at] = this.below(256);
    return this.#room.subarray(0, length);
  }

  /** @returns the length after it */
  #strike(length: number, at: number): number {
    const room = this.#room;
    switch (this.below(8)) {
      case 0:
        room[at] = (room[at] ?? 0) ^ (1 << this.below(8));
        return length;
      case 1:
        room[at] = NASTY[this.below(NASTY.length)] ?? 0;
        return length;
      case 2:
        // A 32-bit field with the sign or all of it wrong.
        room.fill(this.below(2) === 0 ? 0xff : 0x7f, at, Math.min(length, at + 4));
        return length;
      case 3:
        return at;
      case 4: {
        // Bytes are lost.
        const lost = Math.min(length - at, 1 + this.below(8));
        room.copyWithin(at, at + lost, length);
        return length - lost;
      }
      case 5: {
        // Bytes come twice.
        const twice = Math.min(8, length - at, room.length - length);
        room.copyWithin(at + twice, at, length);
        return length + twice;
      }
      default:
        room[at] = this.below(256);
        return length;
    }
  }
}
