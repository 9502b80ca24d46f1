import { systemClock, type Clock } from "./clock.ts";

export interface BackoffOptions {
  /** First wait; each further one doubles. */
  readonly baseMs?: number;
  readonly maxMs?: number;
  /** A failure so long after the last one is the first of a new series. */
  readonly calmMs?: number;
  readonly clock?: Clock;
  /** From 0 up to 1. */
  readonly random?: () => number;
}

/** How long to wait before the next try: twice as long each time, with up to half of it taken off at random. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #clock: Clock;
  #failures = 0;
  #failedAtMs = -Infinity;

  constructor(options: BackoffOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Something went well: the next failure is the first one again. */
  reset(): void {
    this.#failures = 0;
  }

  /** Counts a failure. @returns how long to wait because of it, in milliseconds */
  failed(): number {
    const { baseMs = 100, maxMs = 10_000, calmMs = Infinity, random = Math.random } = this.#options;
    const at = this.#clock.now();
    if (at - this.#failedAtMs > calmMs) this.#failures = 0;
    this.#failedAtMs = at;
    const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return ceiling * (0.5 + random() / 2);
  }
}
