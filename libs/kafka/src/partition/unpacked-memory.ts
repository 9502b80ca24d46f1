/**
 * Memory of unpacked batches that is freed when it is known to be free. Left to the garbage
 * collector, which sees only small views of it, up to 100 MB of it wait to be found (measured).
 */
export class UnpackedMemory {
  readonly #taken: ArrayBuffer[] = [];

  /** Takes a whole buffer that nobody else has; of one that is part of another nothing is known. */
  take({ buffer, byteLength }: Buffer): void {
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) this.#taken.push(buffer);
  }

  /** Views of it are empty from now on. */
  free(): void {
    // A buffer that is transferred to length 0 gives its memory back at once.
    for (const memory of this.#taken.splice(0)) memory.transfer(0);
  }
}
