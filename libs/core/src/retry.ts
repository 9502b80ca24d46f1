import { Backoff } from "./backoff.ts";
import { systemClock, type Clock } from "./clock.ts";
import { retryOf, type Retry } from "./errors.ts";

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** First wait; each further one doubles, with up to half of it taken off at random. */
  readonly baseMs?: number;
  readonly maxMs?: number;
  /** How many tries in all; without it, as long as the signal allows. */
  readonly tries?: number;
  readonly classify?: (error: unknown) => Retry;
  /** Told before each wait. */
  readonly onRetry?: (error: unknown, waitMs: number, attempt: number) => void;
  readonly clock?: Clock;
}

/** Runs `attempt` until it succeeds, its error says that trying again is no use, or it was aborted. */
export async function retry<T>(
  attempt: (attemptNumber: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { signal, tries = Infinity } = options;
  const classify = options.classify ?? retryOf;
  const clock = options.clock ?? systemClock;
  const backoff = new Backoff(options);
  for (let count = 1; ; count++) {
    signal.throwIfAborted();
    try {
      return await attempt(count);
    } catch (error) {
      const advice = classify(error);
      if (signal.aborted || advice === "never" || count >= tries) throw error;
      const backoffMs = backoff.failed();
      const waitMs = advice === "now" && count === 1 ? 0 : backoffMs;
      options.onRetry?.(error, waitMs, count);
      await clock.sleep(waitMs, signal);
    }
  }
}
