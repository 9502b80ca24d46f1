/**
 * Buffers for large frames, used again when everybody is done with them. A mirror at full rate
 * would otherwise allocate and free its throughput once a second: most of its CPU would go into
 * page faults and garbage collection (measured: a third).
 */
export class FramePool {
  readonly #keepBytesMax: number;
  /** Free memory by size class: powers of two. */
  readonly #free = new Map<number, ArrayBuffer[]>();
  #keptBytes = 0;

  constructor(keepBytesMax: number) {
    this.#keepBytesMax = keepBytesMax;
  }

  /** A buffer of exactly this length, with whatever was in it. */
  take(bytes: number): Buffer {
    if (bytes < SMALLEST) return Buffer.allocUnsafeSlow(bytes);
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const memory = this.#free.get(size)?.pop();
    if (memory) {
      this.#keptBytes -= size;
      return Buffer.from(memory, 0, bytes);
    }
    return Buffer.from(Buffer.allocUnsafeSlow(size).buffer, 0, bytes);
  }

  /** Takes a buffer of take() back. Nobody may read it or have it written any more. */
  give(buffer: Buffer): void {
    const memory = buffer.buffer;
    const size = memory.byteLength;
    if (size < SMALLEST || !(memory instanceof ArrayBuffer)) return;
    if (this.#keptBytes + size > this.#keepBytesMax) return;
    const list = this.#free.get(size);
    if (list) list.push(memory);
    else this.#free.set(size, [memory]);
    this.#keptBytes += size;
  }
}

/** Smaller ones cost less than the care for them. */
const SMALLEST = 64 * 1024;

/** A received frame, and how many hold views of it. */
export class Frame {
  readonly bytes: Buffer;
  holders = 0;
  /** Something may still be sending from it: it is left to the garbage collector. */
  isAbandoned = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}
