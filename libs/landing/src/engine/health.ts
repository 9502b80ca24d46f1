import {
  describeError,
  HybridgeError,
  InvariantError,
  retry,
  retryOf,
  type MonotonicClock,
  type Emit,
  type Retry,
} from "@hybridge/core";

/** Longest wait before something that refused is tried again. */
const REFUSED_MS = 30_000;

/**
 * What is wrong at the moment, by place ("store", "hybrid/3"). A place that changes between well
 * and ill emits one event, however often and by how many it is tried in between.
 */
export class Health {
  readonly #emit: Emit;
  readonly #clock: MonotonicClock;
  readonly #problems = new Map<object, { readonly place: string; readonly reason: string }>();

  constructor(emit: Emit, clock: MonotonicClock) {
    this.#emit = emit;
    this.#clock = clock;
  }

  /** Empty when all is well. */
  reason(): string {
    const texts = [...this.#problems.values()].map(({ place, reason }) => `${place}: ${reason}`);
    return [...new Set(texts)].join("; ");
  }

  /**
   * Runs an attempt until it succeeds; the place is ill meanwhile. Whatever is named is tried again,
   * since somebody may put it right: only a log that is not ours, and bugs, are thrown.
   */
  async persist<T>(place: string, attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const owner = {};
    try {
      return await retry(attempt, {
        signal,
        clock: this.#clock,
        baseMs: 200,
        maxMs: REFUSED_MS,
        classify: adviceOn,
        onRetry: (error) => {
          this.set(owner, place, describeError(error), error);
        },
      });
    } finally {
      this.clear(owner);
    }
  }

  /** Something is wrong until it is cleared. */
  set(owner: object, place: string, reason: string, error?: unknown): void {
    const isKnown = this.#isIll(place);
    this.#problems.set(owner, { place, reason });
    if (isKnown) return;
    const message = `${place} fails: ${reason}`;
    this.#emit({ name: "landing.degraded", level: "warn", message, fields: { place }, error });
  }

  clear(owner: object): void {
    const problem = this.#problems.get(owner);
    if (!this.#problems.delete(owner) || !problem || this.#isIll(problem.place)) return;
    const { place } = problem;
    const message = `${place} works again`;
    this.#emit({ name: "landing.recovered", level: "info", message, fields: { place } });
  }

  reasonOf(owner: object): string {
    return this.#problems.get(owner)?.reason ?? "";
  }

  #isIll(place: string): boolean {
    return [...this.#problems.values()].some((problem) => problem.place === place);
  }
}

/** What to do about an error of a store or of an encoder. */
export function adviceOn(error: unknown): Retry {
  if (!(error instanceof HybridgeError)) return retryOf(error);
  if (error instanceof InvariantError) return "never";
  if (error.code.startsWith("LANDING_LOG_")) return "never";
  return error.retry === "now" ? "now" : "backoff";
}
