import type { Measurement } from "./instruments.ts";

/**
 * Something that happened: one value that is logged and counted in one place, so that the two
 * cannot disagree. `debug` is for what repeats, `info` for what an operator would note, `warn` for
 * the unexpected that was recovered from with nothing lost, `error` for loss or a person's turn.
 */
export interface HybridgeEvent {
  /** Stable, dotted, in the past tense where it can be: "segment.published". */
  readonly name: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly error?: unknown;
  readonly measurements?: readonly Measurement[];
}

/** Where events go. libs/tracing makes the one that logs and counts; tests collect them. */
export type Emit = (event: HybridgeEvent) => void;
