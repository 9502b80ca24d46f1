import { invariant } from "./errors.ts";

/**
 * A queue with a budget (items, bytes: the caller's unit) that makes its writers wait. An item
 * larger than the whole budget is let through alone, so that it cannot block for ever.
 */
export class BoundedQueue<T> {
  readonly #budget: number;
  readonly #weigh: (item: T) => number;
  readonly #items: T[] = [];
  #weight = 0;
  #closed = false;
  #failure: { readonly error: unknown } | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriters: (() => void)[] = [];

  constructor(budget: number, weigh: (item: T) => number = () => 1) {
    invariant(budget > 0, "a queue needs a positive budget");
    this.#budget = budget;
    this.#weigh = weigh;
  }

  /** Resolves when the item is in. @throws the signal's reason, or the error given to fail() */
  async push(item: T, signal?: AbortSignal): Promise<void> {
    const weight = this.#weigh(item);
    while (!this.#fits(weight)) {
      signal?.throwIfAborted();
      if (this.#failure) throw this.#failure.error;
      await this.#room(signal);
    }
    if (this.#failure) throw this.#failure.error;
    invariant(!this.#closed, "push into a closed queue");
    this.#items.push(item);
    this.#weight += weight;
    this.#wakeReader?.();
  }

  /** No more items will come; the reader ends after the last one. */
  close(): void {
    this.#closed = true;
    this.#wakeReader?.();
  }

  /** Ends both sides with an error; items still inside are dropped. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#items.length = 0;
    this.#wakeReader?.();
    this.#releaseWriters();
  }

  /** The items in order, for one reader. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      if (this.#failure) throw this.#failure.error;
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#weight -= this.#weigh(item);
        this.#releaseWriters();
        yield item;
      } else if (this.#closed) return;
      else await this.#arrival();
    }
  }

  #fits(weight: number): boolean {
    if (this.#failure) return false;
    return this.#items.length === 0 || this.#weight + weight <= this.#budget;
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeReader = () => {
        this.#wakeReader = undefined;
        resolve();
      };
    });
  }

  #room(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      signal?.addEventListener("abort", wake, { once: true });
      this.#wakeWriters.push(wake);
    });
  }

  #releaseWriters(): void {
    const waiting = this.#wakeWriters;
    this.#wakeWriters = [];
    for (const wake of waiting) wake();
  }
}
