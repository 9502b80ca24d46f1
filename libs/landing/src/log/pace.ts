import type { Traffic } from "./traffic.ts";

/** A folder of an hour has a file for each flush, and folders have at most 10,000 names. */
const COMMITS_PER_HOUR_MAX = 9_000;
/** Of that, what is aimed at: jitter and new writers need room. */
const AIM = 0.95;
const ATTEMPTS_JUDGED = 8;
const FACTOR_MAX = 32;
const STEP_BACK = 1.25;
const JITTER = 0.1;
const HOUR_MS = 3_600_000;

export interface PaceOptions {
  /** The setting: time between two flushes when nothing is in the way. */
  readonly intervalMs: number;
  /** From 0 to 1. */
  readonly random?: () => number;
  readonly commitsPerHourMax?: number;
}

/** How long a writer waits between two flushes. */
export interface Pace {
  /** Wait from the last flush to the next, with jitter. */
  nextMs(traffic: Traffic): number;
  /** After each commit: how many attempts it took, and whether the last one won. */
  committed(attempts: number, won: boolean): void;
  /** The setting, stretched by what was lost. */
  readonly intervalMs: number;
}

/**
 * Who loses half of his attempts doubles the time between his flushes and returns step by step. All
 * writers together stay below a budget: each takes the share that its part of the traffic is.
 */
export function createPace(options: PaceOptions): Pace {
  const { random = Math.random, commitsPerHourMax = COMMITS_PER_HOUR_MAX } = options;
  let factor = 1;
  let attempts = 0;
  let lost = 0;

  return {
    get intervalMs() {
      return options.intervalMs * factor;
    },
    nextMs({ writers }) {
      const shareMs = (HOUR_MS * writers) / (AIM * commitsPerHourMax);
      const waitMs = Math.max(options.intervalMs * factor, shareMs);
      return waitMs * (1 - JITTER + 2 * JITTER * random());
    },
    committed(tried, won) {
      attempts += tried;
      lost += won ? tried - 1 : tried;
      if (attempts < ATTEMPTS_JUDGED) return;
      if (2 * lost >= attempts) factor = Math.min(FACTOR_MAX, 2 * factor);
      else factor = Math.max(1, factor / STEP_BACK);
      attempts = lost = 0;
    },
  };
}
