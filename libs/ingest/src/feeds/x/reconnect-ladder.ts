/** Why there is no stream: each kind has a back-off of its own. */
export type FailureKind = "network" | "http" | "rate-limit";

/** Published in docs.x.com, "Handling disconnections", reconnection strategy. */
const NETWORK_STEP_MS = 250;
const NETWORK_MAX_MS = 16_000;
const HTTP_BASE_MS = 5_000;
const HTTP_MAX_MS = 320_000;
const RATE_LIMIT_BASE_MS = 60_000;
/** Nothing is published for it; X counts requests by windows of 15 minutes. */
const RATE_LIMIT_MAX_MS = 900_000;

/**
 * How long to wait before the next connection, as X publishes it: after errors of the network
 * 250 ms more each time up to 16 s, after answers other than 429 twice as long each time from 5 s
 * to 320 s, after 429 twice as long each time from a minute, and never less than until the reset
 * that the answer names.
 */
export class ReconnectLadder {
  readonly #failures: Record<FailureKind, number> = { network: 0, http: 0, "rate-limit": 0 };

  /** A stream was established: the next failure is the first of its kind. */
  established(): void {
    for (const kind of ["network", "http", "rate-limit"] as const) this.#failures[kind] = 0;
  }

  /** Counts a failure. @returns how long to wait because of it, in milliseconds */
  failed(kind: FailureKind, untilResetMs = 0): number {
    const failures = (this.#failures[kind] += 1);
    const doubled = 2 ** Math.min(failures - 1, 20);
    switch (kind) {
      case "network":
        return Math.min(NETWORK_MAX_MS, NETWORK_STEP_MS * failures);
      case "http":
        return Math.min(HTTP_MAX_MS, HTTP_BASE_MS * doubled);
      case "rate-limit":
        return Math.max(untilResetMs, Math.min(RATE_LIMIT_MAX_MS, RATE_LIMIT_BASE_MS * doubled));
    }
  }
}
