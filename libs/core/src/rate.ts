import { systemClock, type Clock } from "./clock.ts";

/** Counts things and says how many there were per second over the last few seconds. */
export class RateMeter {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #samples: { at: number; total: number }[] = [];
  #total = 0;

  constructor(windowMs = 5_000, clock: Clock = systemClock) {
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#samples.push({ at: clock.now(), total: 0 });
  }

  get total(): number {
    return this.#total;
  }

  add(count: number): void {
    this.#total += count;
    this.#sample();
  }

  /** Per second. */
  rate(): number {
    this.#sample();
    const [oldest] = this.#samples;
    const newest = this.#samples.at(-1);
    if (!oldest || !newest || newest.at === oldest.at) return 0;
    return ((this.#total - oldest.total) * 1000) / (newest.at - oldest.at);
  }

  #sample(): void {
    const at = this.#clock.now();
    const last = this.#samples.at(-1);
    if (last && at - last.at < 100) return;
    this.#samples.push({ at, total: this.#total });
    while ((this.#samples[1]?.at ?? at) < at - this.#windowMs) this.#samples.shift();
  }
}
