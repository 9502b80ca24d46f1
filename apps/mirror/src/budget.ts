/** A received frame: batches are views of it, so it stays in memory as long as one of them does. */
export interface Frame {
  readonly frameBytes: number;
}

/**
 * Bounds the bytes of frames that are in memory. It counts whole frames, not batches, because
 * that is what the memory knows.
 */
export class Budget {
  readonly #bytesMax: number;
  readonly #holders = new Map<Frame, number>();
  #bytes = 0;
  #waiting: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  retain(frame: Frame): void {
    const holders = this.#holders.get(frame) ?? 0;
    if (holders === 0) this.#bytes += frame.frameBytes;
    this.#holders.set(frame, holders + 1);
  }

  release(frame: Frame): void {
    const holders = this.#holders.get(frame) ?? 0;
    if (holders > 1) {
      this.#holders.set(frame, holders - 1);
      return;
    }
    if (!this.#holders.delete(frame)) return;
    this.#bytes -= frame.frameBytes;
    if (this.#bytes < this.#bytesMax) this.#wake();
  }

  /** Resolves when there is room for another frame, or the signal is aborted. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#bytes >= this.#bytesMax && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          signal.removeEventListener("abort", done);
          resolve();
        };
        signal.addEventListener("abort", done, { once: true });
        this.#waiting.push(done);
      });
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }
}
