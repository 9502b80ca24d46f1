import type { MonotonicClock } from "@hybridge/core";
import type { VirtualClock } from "@hybridge/core/testing";

/**
 * A process that can be stopped (SIGSTOP), go on, and be killed: what comes for it meanwhile waits,
 * timers and answers alike, and time goes on without it.
 */
export class FakeProcess implements MonotonicClock {
  readonly #clock: VirtualClock;
  #waiting: (() => void)[] = [];
  #isStopped = false;
  #isDead = false;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get isRunning(): boolean {
    return !this.#isStopped && !this.#isDead;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, signal);
    await this.turn();
  }

  stop(): void {
    this.#isStopped = true;
  }

  resume(): void {
    this.#isStopped = false;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  kill(): void {
    this.#isDead = true;
  }

  /** Resolves when the process runs; never, when it is dead. */
  async turn(): Promise<void> {
    if (this.isRunning) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
