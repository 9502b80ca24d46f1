import type { Clock } from "@hybridge/core";

/** Resolves to how many of `most` may go now: at least one. */
export type Pace = (most: number, signal: AbortSignal) => Promise<number>;

/**
 * Lets `perSecond` things pass each second, 0 for no limit. Time lost to a slow consumer is not
 * made up for beyond one second, so that a pause is not followed by a flood.
 */
export function startPace(perSecond: number, clock: Clock): Pace {
  if (perSecond === 0) return (most) => Promise.resolve(most);
  let anchorMs = clock.now();
  let taken = 0;
  return async (most, signal) => {
    for (;;) {
      const elapsedMs = clock.now() - anchorMs;
      let due = Math.floor((elapsedMs * perSecond) / 1000) + 1 - taken;
      if (due > perSecond + 1) {
        anchorMs = clock.now();
        taken = 0;
        due = 1;
      }
      if (due >= 1) {
        const count = Math.min(due, most);
        taken += count;
        return count;
      }
      const waitMs = Math.ceil((taken * 1000) / perSecond - elapsedMs);
      await clock.sleep(Math.max(1, waitMs), signal);
    }
  };
}
