import type { Emit } from "@hybridge/core";
import { mirrorEvents } from "./events.ts";

/** Something that does not answer. Told once when it begins and once when it is over. */
export class Outage {
  readonly #emit: Emit;
  #reason: string | undefined;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  begin(what: string, error: unknown): void {
    const reason = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    if (this.#reason === undefined) this.#emit(mirrorEvents.degraded(reason, error));
    this.#reason = reason;
  }

  end(): void {
    if (this.#reason === undefined) return;
    this.#reason = undefined;
    this.#emit(mirrorEvents.recovered());
  }
}
