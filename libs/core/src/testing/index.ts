export { VirtualClock } from "./virtual-clock.ts";
import type { MonotonicClock } from "../clock.ts";
import type { Emit, HybridgeEvent } from "../events.ts";

/** A clock that stands still until a test moves it. */
export class FakeClock implements MonotonicClock {
  #now: number;
  #sleepers: { at: number; wake: () => void }[] = [];

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      this.#sleepers.push({ at: this.#now + ms, wake: resolve });
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }

  /** Moves time forward and wakes whoever was to wake by then, oldest first. */
  advance(ms: number): void {
    this.#now += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= this.#now);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > this.#now);
    due.sort((a, b) => a.at - b.at);
    for (const sleeper of due) sleeper.wake();
  }
}

/** Collects events; `names()` is what most tests look at. */
export function collectEvents(): { emit: Emit; events: HybridgeEvent[]; names(): string[] } {
  const events: HybridgeEvent[] = [];
  return {
    emit: (event) => events.push(event),
    events,
    names: () => events.map((event) => event.name),
  };
}
