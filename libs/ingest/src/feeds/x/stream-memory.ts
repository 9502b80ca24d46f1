import { z } from "zod";

/** Connections of the stream in 15 minutes (docs.x.com, rate limits of GET /2/tweets/search/stream). */
const CONNECTS_MAX = 50;
/** A second longer: X's clock is not ours. */
const WINDOW_MS = 901_000;

const shape = z.object({
  heardAtMs: z.number().optional(),
  notBeforeMs: z.number(),
  connectsMs: z.array(z.number()).max(CONNECTS_MAX),
});

/**
 * What a feed of X has to know after a restart as well: when it last heard something, until when X
 * wants no requests, and how often it connected, since X counts processes together.
 */
export class StreamMemory {
  /** When the stream last said anything, if only that it lives. */
  heardAtMs: number | undefined;
  /** X answers nothing before that time. */
  notBeforeMs = 0;
  #connectsMs: readonly number[] = [];

  /** What a cursor holds; nothing if it is none of ours. */
  static from(cursor: string | undefined): StreamMemory {
    const memory = new StreamMemory();
    const kept = cursor === undefined ? undefined : shape.safeParse(parsed(cursor)).data;
    if (!kept) return memory;
    memory.heardAtMs = kept.heardAtMs;
    memory.notBeforeMs = kept.notBeforeMs;
    memory.#connectsMs = kept.connectsMs;
    return memory;
  }

  /** The text of a cursor. */
  toString(): string {
    const { heardAtMs, notBeforeMs } = this;
    return JSON.stringify({ heardAtMs, notBeforeMs, connectsMs: this.#connectsMs });
  }

  connected(nowMs: number): void {
    this.#connectsMs = [...this.#within(nowMs), nowMs].slice(-CONNECTS_MAX);
  }

  /**
   * How long the next connection has to wait, however the last ones ended: a stream that X accepts
   * and drops at once costs one each time, and no answer tells that before the limit is passed.
   */
  waitMs(nowMs: number): number {
    const recent = this.#within(nowMs);
    const [oldest] = recent;
    const isFull = oldest !== undefined && recent.length >= CONNECTS_MAX;
    // A clock that was set back must not make this wait for days.
    const untilAllowedMs = Math.min(this.notBeforeMs - nowMs, 2 * WINDOW_MS);
    return Math.max(0, untilAllowedMs, isFull ? oldest + WINDOW_MS - nowMs : 0);
  }

  #within(nowMs: number): readonly number[] {
    return this.#connectsMs.filter((at) => at > nowMs - WINDOW_MS && at <= nowMs);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
