/** Lets those who wait look again whether what they wait for is there. */
export class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Resolves when it rings next, or when the signal is aborted. */
  async heard(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done, { once: true });
      this.#waiting.push(done);
    });
  }
}
