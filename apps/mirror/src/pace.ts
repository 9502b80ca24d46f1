const FIRST_MS = 100;
const MOST_MS = 5_000;
/** An interruption this long after the last one is a new one. */
const CALM_MS = 30_000;

/** How long a partition waits before it tries again. */
export class Pace {
  #failures = 0;
  #failedAtMs = 0;

  /** Something went well. */
  reset(): void {
    this.#failures = 0;
  }

  /** @returns how long to wait, and whether this is the first failure after a calm time */
  failed(): { readonly waitMs: number; readonly isFirst: boolean } {
    const now = Date.now();
    if (now - this.#failedAtMs > CALM_MS) this.#failures = 0;
    this.#failedAtMs = now;
    const isFirst = this.#failures === 0;
    const waitMs = Math.min(MOST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    return { waitMs: waitMs * (0.5 + Math.random() / 2), isFirst };
  }
}
