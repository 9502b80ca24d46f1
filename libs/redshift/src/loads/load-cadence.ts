import type { Clock } from "@hybridge/core";

/** Milliseconds between the end of a load and the begin of the next. */
export interface LoadCadence {
  /** When loads are short. */
  readonly minMs: number;
  /** However long loads take. */
  readonly maxMs: number;
}

export const defaultCadence: LoadCadence = { minMs: 30_000, maxMs: 120_000 };

/** Of the pause, as a multiple of the load before it: then a quarter of the time goes to loads. */
const PAUSE_PER_LOAD = 3;

export interface LoadPace {
  /** Waits until the next load may begin; not at all after a long pause, or when much is waiting. */
  ready(signal: AbortSignal): Promise<void>;
  /** A load has ended. @param isBehind more is waiting than it could take */
  loaded(startedMs: number, isBehind: boolean): void;
}

/**
 * Small loads often while little is waiting, large ones without a pause while much is: what comes
 * during a pause makes the next load larger. Each load costs a commit of the whole warehouse and a
 * version of the tables, however little it brings.
 */
export function loadPace({ minMs, maxMs }: LoadCadence, clock: Clock): LoadPace {
  let nextMs = -Infinity;
  return {
    async ready(signal) {
      const waitMs = nextMs - clock.now();
      // A clock that was set back makes no pause longer than it would be.
      if (waitMs > 0) await clock.sleep(Math.min(waitMs, maxMs), signal);
    },
    loaded(startedMs, isBehind) {
      const nowMs = clock.now();
      const pauseMs = Math.min(maxMs, Math.max(minMs, (nowMs - startedMs) * PAUSE_PER_LOAD));
      nextMs = isBehind ? nowMs : nowMs + pauseMs;
    },
  };
}
