import type { MonotonicClock } from "@hybridge/core";

/**
 * How long the coordinator still keeps a member, at least. It counts from when it received the last
 * heartbeat; this side counts from when it sent it, and so gives up first.
 */
export class Session {
  readonly #clock: MonotonicClock;
  readonly #timeoutMs: number;
  #sinceMs: number;

  constructor(clock: MonotonicClock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#sinceMs = clock.monotonic();
  }

  /** A heartbeat that was sent then was answered. */
  answered(sentAtMs: number): void {
    this.#sinceMs = Math.max(this.#sinceMs, sentAtMs);
  }

  get endsAtMs(): number {
    return this.#sinceMs + this.#timeoutMs;
  }

  get isOver(): boolean {
    return this.#clock.monotonic() >= this.endsAtMs;
  }
}

/** Made once: an error of its own for each wait is a stack trace that nobody reads. */
const DONE = new Error("the wait is over");

/** Wakes one who waits for a while; what rings while nobody waits is not forgotten. */
export class Alarm {
  readonly #clock: MonotonicClock;
  #hasRung = false;
  #wake: (() => void) | undefined;

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  /**
   * Waits for a ring, `ms` at most; without a time, for a ring alone.
   *
   * @throws the signal's reason
   */
  async wait(signal: AbortSignal, ms?: number): Promise<void> {
    signal.throwIfAborted();
    if (!this.#hasRung) {
      const stop = new AbortController();
      const either = AbortSignal.any([signal, stop.signal]);
      const rung = new Promise<void>((resolve) => {
        this.#wake = resolve;
        either.addEventListener("abort", () => resolve(), { once: true });
      });
      const slept = ms === undefined ? rung : this.#clock.sleep(ms, either).catch(() => undefined);
      await Promise.race([rung, slept]);
      this.#wake = undefined;
      stop.abort(DONE);
    }
    signal.throwIfAborted();
    this.#hasRung = false;
  }
}
