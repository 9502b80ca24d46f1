const KEPT = 512;
const WINDOW_MS = 10 * 60_000;
const HOUR_MS = 3_600_000;

/** What the end of the log says about who writes how often. */
export interface Traffic {
  /** Of all writers together. */
  readonly commitsPerHour: number;
  /** How many writers of the reader's own rate that makes, itself included; at least 1. */
  readonly writers: number;
}

/** Remembers the newest commits of the tail. */
export class TrafficMeter {
  readonly #seen: { readonly at: number; readonly writer: string; readonly isOwn: boolean }[] = [];

  saw(at: number, writer: string, isOwn: boolean): void {
    this.#seen.push({ at, writer, isOwn });
    if (this.#seen.length >= 2 * KEPT) this.#seen.splice(0, KEPT);
  }

  /** Over the last ten minutes, or the last few hundred commits. */
  traffic(nowMs: number): Traffic {
    const recent = this.#seen.slice(-KEPT).filter(({ at }) => at > nowMs - WINDOW_MS);
    const first = recent[0];
    if (!first) return { commitsPerHour: 0, writers: 1 };
    const own = recent.filter(({ isOwn }) => isOwn).length;
    const spanMs = Math.max(1_000, nowMs - first.at);
    // Without commits of one's own, one is a writer more.
    const writers =
      own > 0 ? recent.length / own : new Set(recent.map(({ writer }) => writer)).size + 1;
    return { commitsPerHour: (recent.length / spanMs) * HOUR_MS, writers };
  }
}
