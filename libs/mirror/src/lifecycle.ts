import { Notifier } from "@hybridge/core";

export type PartitionState =
  "FENCING" | "RESUMING" | "MIRRORING" | "PAUSED" | "RETRYING" | "FAILED";

/** What a partition is doing and why, for those who ask and for those who wait until it changes. */
export class Lifecycle {
  #state: PartitionState = "FENCING";
  #reason = "";
  readonly #changes = new Notifier();

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
    this.#changes.notify();
  }

  /** Resolves at the next change, or when the signal is aborted. */
  async changed(signal: AbortSignal): Promise<void> {
    await this.#changes.wait(signal);
  }

  /** Resolves when the predicate holds; rejects with the signal's reason. */
  async until(predicate: () => boolean, signal: AbortSignal): Promise<void> {
    while (!predicate()) {
      await this.changed(signal);
      signal.throwIfAborted();
    }
  }
}
