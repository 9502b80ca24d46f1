import type { MonotonicClock } from "../clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/**
 * A clock that runs as fast as the machine: time stands still while anything is left to do, and then
 * jumps to the next timer. With a seed for everything else, a run repeats itself.
 */
export class VirtualClock implements MonotonicClock {
  readonly #startMs: number;
  #elapsedMs = 0;
  #orders = 0;
  /** A binary heap: the earliest first, of equals the one set first. */
  readonly #timers: Timer[] = [];

  constructor(startMs = 0) {
    this.#startMs = startMs;
  }

  now(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = () => reject(signal?.reason as Error);
      signal?.addEventListener("abort", abort, { once: true });
      this.after(ms, () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      });
    });
  }

  /** Calls `fire` at a later time; nothing takes it back. */
  after(ms: number, fire: () => void): void {
    const atMs = this.#elapsedMs + Math.max(0, ms);
    this.#push({ atMs, order: this.#orders++, fire });
  }

  /** Lets `ms` pass, and everything happen that is due by then. */
  async run(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    for (;;) {
      await settled();
      const next = this.#timers[0];
      if (!next || next.atMs > endMs) break;
      this.#elapsedMs = next.atMs;
      this.#pop();
      next.fire();
    }
    this.#elapsedMs = endMs;
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(timer, heap[parent])) break;
      heap[at] = heap[parent] as Timer;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (isBefore(heap[child + 1], heap[child])) child += 1;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child] as Timer;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Timer | undefined, b: Timer | undefined): boolean {
  if (!a || !b) return a !== undefined;
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** All promises that can go on have done so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
