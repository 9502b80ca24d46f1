/** Lets those who wait look again whether what they wait for is there. */
export class Notifier {
  #waiting: (() => void)[] = [];

  /** Wakes everybody who waits now. */
  notify(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves at the next notification, or when the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting = this.#waiting.filter((other) => other !== wake);
        resolve();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(wake);
    });
  }
}
