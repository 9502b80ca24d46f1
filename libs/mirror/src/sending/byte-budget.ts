import type { Frame, FramePool } from "@hybridge/kafka/raw";
import { Notifier } from "@hybridge/core";

/**
 * Bounds the bytes of received frames that are in memory. Batches are views of a frame, so it
 * stays as long as one of them does: whole frames are counted, because that is what memory knows.
 */
export class ByteBudget {
  readonly #bytesMax: number;
  readonly #pool: FramePool | undefined;
  readonly #changes = new Notifier();
  #bytes = 0;

  constructor(bytesMax: number, pool?: FramePool) {
    this.#bytesMax = bytesMax;
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#bytes;
  }

  retain(frame: Frame): void {
    if (frame.holders === 0) this.#bytes += frame.memoryBytes;
    frame.holders += 1;
  }

  /** One holder less; the last one's release makes the memory free for the next frame. */
  release(frame: Frame): void {
    frame.holders -= 1;
    if (frame.holders > 0) return;
    this.#bytes -= frame.memoryBytes;
    if (!frame.isAbandoned) this.#pool?.give(frame.bytes);
    if (this.#bytes < this.#bytesMax) this.#changes.notify();
  }

  /**
   * The same for a holder whose bytes may still be on their way into a socket: the memory must not
   * be used again, or other bytes would go out in their place.
   */
  abandon(frame: Frame): void {
    frame.isAbandoned = true;
    this.release(frame);
  }

  /** Resolves when there is room for another frame, or the signal is aborted. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#bytes >= this.#bytesMax && !signal.aborted) {
      await this.#changes.wait(signal);
    }
  }
}
