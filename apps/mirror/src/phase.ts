export type PartitionState =
  "FENCING" | "RESUMING" | "MIRRORING" | "PAUSED" | "RETRYING" | "FAILED";

/** What a partition is doing and why, for those who ask and for those who wait until it changes. */
export class Phase {
  #state: PartitionState = "FENCING";
  #reason = "";
  #waiting: (() => void)[] = [];

  get state(): PartitionState {
    return this.#state;
  }

  get reason(): string {
    return this.#reason;
  }

  set(state: PartitionState, reason = ""): void {
    this.#state = state;
    this.#reason = reason;
    this.wake();
  }

  /** Lets those who wait look again, because something beside the state has changed. */
  wake(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Resolves at the next change, or when the signal is aborted. */
  async changed(signal: AbortSignal): Promise<void> {
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

  /** Resolves when the predicate holds; rejects with the signal's reason. */
  async until(predicate: () => boolean, signal: AbortSignal): Promise<void> {
    while (!predicate()) {
      await this.changed(signal);
      signal.throwIfAborted();
    }
  }
}
