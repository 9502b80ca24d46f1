/**
 * How old that is which is not mirrored yet. The oldest record of it is in hand most of the time,
 * and its own time tells. When it is still in the source, only what came before it is known.
 */
export class LagClock {
  readonly #now: () => number;
  readonly #startedAt: number;
  /** All records from before this moment are in the target, as far as we can know. */
  #freshAt: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** False when nothing but the start of the process is there to count from. */
  get isKnown(): boolean {
    return this.#freshAt !== undefined;
  }

  /** Everything that the source has is in the target. */
  caughtUp(): void {
    this.#freshAt = this.#now();
  }

  /** The records up to this time are in the target; what follows them is not older. */
  reached(timestampMs: number): void {
    // The times are the producers': one from the future must not hide a lag.
    const at = Math.min(timestampMs, this.#now());
    if (this.#freshAt === undefined || at > this.#freshAt) this.#freshAt = at;
  }

  /** @param oldestMs the time of the oldest record in hand, if there is one */
  ageMs(oldestMs: number | undefined): number {
    const since = oldestMs ?? this.#freshAt ?? this.#startedAt;
    return Math.max(0, this.#now() - since);
  }
}
