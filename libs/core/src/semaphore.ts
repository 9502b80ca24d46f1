/** Lets a bounded number of bodies run at a time, in the order of the calls. */
export class Semaphore {
  readonly #permits: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(permits: number) {
    this.#permits = permits;
  }

  /** Runs the body when there is a permit for it. Whoever's signal is aborted meanwhile leaves the queue. */
  async run<T>(body: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#running >= this.#permits) await this.#permit(signal);
    else this.#running += 1;
    try {
      return await body();
    } finally {
      // The permit goes from hand to hand: nobody who comes now gets before those who wait.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }

  #permit(signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason as Error);
      };
      this.#waiting.push(enter);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}
