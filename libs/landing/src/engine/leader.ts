import { isAbort } from "@hybridge/core";

/** Runs what one process does for all of a table, for as long as this process is the one. */
export class Leader {
  readonly #lead: (signal: AbortSignal) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #term: AbortController | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(lead: (signal: AbortSignal) => Promise<void>, failed: (error: unknown) => void) {
    this.#lead = lead;
    this.#failed = failed;
  }

  /** This process is the one from now on, or is not. A term begins when the one before has ended. */
  is(leading: boolean): void {
    if (leading === (this.#term !== undefined)) return;
    if (!leading) {
      this.#term?.abort(new DOMException("another process does it", "AbortError"));
      this.#term = undefined;
      return;
    }
    const { signal } = (this.#term = new AbortController());
    this.#ended = this.#ended.then(() => this.#serve(signal));
  }

  async #serve(signal: AbortSignal): Promise<void> {
    try {
      if (!signal.aborted) await this.#lead(signal);
    } catch (error) {
      if (!isAbort(error, signal)) this.#failed(error);
    }
  }

  /** Resolves when nothing of it is at work any more. */
  async end(): Promise<void> {
    this.is(false);
    await this.#ended;
  }
}
