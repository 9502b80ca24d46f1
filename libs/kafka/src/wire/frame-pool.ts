const KIB = 1024;
/** Smaller ones cost less than the care for them. */
const SMALLEST = 64 * KIB;
/**
 * The sizes that memory comes in. An answer is a little larger than the records that were asked
 * for, so the sizes are a little above the powers of two: with exact powers, every full answer
 * would take twice its size.
 */
const SIZES = [256 * KIB, (1024 + 64) * KIB, (4096 + 64) * KIB] as const;

/**
 * Buffers for large frames, used again when everybody is done with them. A mirror at full rate
 * would otherwise allocate and free its throughput once a second: most of its CPU would go into
 * page faults and garbage collection (measured: two thirds).
 */
export class FramePool {
  readonly #keepBytesMax: number;
  readonly #free = new Map<number, ArrayBuffer[]>(SIZES.map((size) => [size, []]));
  #keptBytes = 0;

  constructor(keepBytesMax: number) {
    this.#keepBytesMax = keepBytesMax;
  }

  /** A buffer of exactly this length, with whatever was in it. */
  take(bytes: number): Buffer {
    const size = bytes < SMALLEST ? undefined : SIZES.find((candidate) => candidate >= bytes);
    if (size === undefined) return Buffer.allocUnsafeSlow(bytes);
    const memory = this.#free.get(size)?.pop();
    if (memory) this.#keptBytes -= size;
    else this.#makeRoom(size);
    return Buffer.from(memory ?? Buffer.allocUnsafeSlow(size).buffer, 0, bytes);
  }

  /** Takes a buffer of take() back. Nobody may read it or have it written any more. */
  give(buffer: Buffer): void {
    const memory = buffer.buffer;
    const size = memory.byteLength;
    const list = this.#free.get(size);
    if (!list || !(memory instanceof ArrayBuffer)) return;
    if (this.#keptBytes + size > this.#keepBytesMax) return;
    list.push(memory);
    this.#keptBytes += size;
  }

  /** What is new takes the place of free memory in other sizes: traffic has changed. */
  #makeRoom(bytes: number): void {
    let left = bytes;
    for (const [size, list] of this.#free) {
      while (left > 0 && list.pop()) {
        this.#keptBytes -= size;
        left -= size;
      }
    }
  }
}

/** A received frame, and how many hold views of it. */
export class Frame {
  readonly bytes: Buffer;
  holders = 0;
  /** Something may still be sending from it: it is left to the garbage collector. */
  isAbandoned = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** What it takes of memory, which is more than its length. */
  get memoryBytes(): number {
    return this.bytes.buffer.byteLength;
  }
}
