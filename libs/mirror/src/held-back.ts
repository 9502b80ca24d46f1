import type { MonotonicClock } from "@hybridge/core";
import { readBatches, type Cluster } from "@hybridge/kafka/raw";
import type { Route } from "./route.ts";

/** The first record of the oldest transaction that is open at the source, and what waits for its end. */
export interface OpenTransaction {
  readonly producerId: bigint;
  /** The time of that record. */
  readonly sinceMs: number;
  readonly offset: bigint;
  /** From there to the end of the log. */
  readonly offsetsHeld: bigint;
}

/**
 * Where a source partition is held back: what follows the first record of an open transaction counts
 * as uncommitted. That is nothing unusual as long as it moves; a transaction that nobody ends (its
 * producer is gone, and so is what the coordinator knew) would hold it back for ever, at a lag of 0.
 */
export class HeldBack {
  readonly #clock: MonotonicClock;
  #at = -1n;
  #end = -1n;
  #since = 0;
  /** Told already. */
  isTold = false;

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /** The first offset that is not committed although the log goes on; -1 for none. */
  get offset(): bigint {
    return this.#at;
  }

  get offsetsHeld(): bigint {
    return this.#end - this.#at;
  }

  /** How long it has stood there. */
  get forMs(): number {
    return this.#at < 0n ? 0 : this.#clock.monotonic() - this.#since;
  }

  /** @returns true when what was told is over */
  observe(lastStable: bigint, highWatermark: bigint): boolean {
    const at = highWatermark > lastStable ? lastStable : -1n;
    this.#end = highWatermark;
    if (at === this.#at) return false;
    const isOver = this.isTold;
    this.#at = at;
    this.#since = this.#clock.monotonic();
    this.isTold = false;
    return isOver;
  }
}

/** Whose transaction it is that begins at an offset; undefined when it has ended meanwhile. */
export async function openTransactionAt(
  source: Cluster,
  { sourceTopic: topic, partition }: Route,
  { offset, offsetsHeld }: Pick<HeldBack, "offset" | "offsetsHeld">,
  signal: AbortSignal,
): Promise<OpenTransaction | undefined> {
  const range = { topic, partition, from: offset, to: offset + 1n, committedOnly: false };
  for await (const batch of readBatches(source, range, signal)) {
    if (!batch.isTransactional) return undefined;
    const sinceMs = Number(batch.maxTimestamp);
    return { producerId: batch.producerId, sinceMs, offset, offsetsHeld };
  }
  return undefined;
}
