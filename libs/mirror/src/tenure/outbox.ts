import {
  Batch,
  joinRecords,
  MalformedError,
  scanRecords,
  type Frame,
  type RawRecord,
} from "@hybridge/kafka/raw";
import type { ByteBudget } from "../sending/byte-budget.ts";
import type { Rejected, Sendable } from "./shape.ts";

/** A batch of one partition that waits to be sent, and the frame that it keeps in memory. */
export interface Waiting {
  readonly part: Sendable | Rejected;
  readonly frame: Frame;
  readonly timestampMs: number;
}

/** When small batches are joined before they go. */
export interface MergePolicy {
  readonly enabled: boolean;
  /**
   * The round trip from which on it is done. The broker takes one batch per partition and request,
   * so the rate of a partition is requests under way x batch / round trip: when the broker is
   * near, that is more than it can take, and joining would only cost CPU.
   */
  readonly fromRoundTripMs: number;
  /** Batches from this size on go as they are. */
  readonly belowBytes: number;
  /** Joining stops here. */
  readonly targetBytes: number;
}

/** What of one partition was fetched and is not yet sent. */
export class Outbox {
  readonly #budget: ByteBudget;
  #items: Waiting[] = [];
  #head = 0;
  #bytes = 0;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  get first(): Waiting | undefined {
    return this.#items[this.#head];
  }

  push(item: Waiting): void {
    this.#budget.retain(item.frame);
    this.#items.push(item);
    this.#bytes += sizeOf(item);
  }

  /** What waits, in order. */
  *[Symbol.iterator](): Generator<Waiting> {
    for (let at = this.#head; at < this.#items.length; at++) yield this.#items[at] as Waiting;
  }

  /**
   * Puts back at the head what was taken out, in another form perhaps; `frames` are those that its
   * former parts held.
   */
  requeue(items: readonly Waiting[], frames: readonly Frame[]): void {
    for (const item of items) {
      this.#budget.retain(item.frame);
      this.#bytes += sizeOf(item);
    }
    for (const frame of frames) this.#budget.release(frame);
    this.#items.splice(0, this.#head, ...items);
    this.#head = 0;
  }

  /** Takes the first item out; its frame stays retained until the caller releases it. */
  shift(): Waiting | undefined {
    const item = this.#items[this.#head];
    if (!item) return undefined;
    this.#items[this.#head] = undefined as never;
    this.#head += 1;
    this.#bytes -= sizeOf(item);
    if (this.#head > 256 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    for (let item = this.shift(); item; item = this.shift()) this.#budget.release(item.frame);
    this.#items = [];
    this.#head = 0;
  }

  /**
   * Takes what goes as one batch: the first one, or several small ones joined. Joining means to
   * look at every record, so a batch that waits for nothing goes as it is.
   */
  take(
    merge: MergePolicy,
    bytesMax: number,
    roundTripMs: number,
  ): { parts: Sendable[]; frames: Frame[]; bytes: Buffer } {
    const first = this.shift();
    if (first?.part.kind !== "batch") throw new RangeError("nothing to send");
    const parts = [first.part];
    const frames = [first.frame];
    const codec = codecOf(first.part);
    const limit = Math.min(merge.targetBytes, bytesMax);
    const isDue = merge.enabled && roundTripMs >= merge.fromRoundTripMs;
    const records = isDue ? joinable(first.part, merge) : undefined;
    if (records) {
      let total = first.part.bytes.length;
      for (;;) {
        const next = this.first;
        if (next?.part.kind !== "batch" || codecOf(next.part) !== codec) break;
        if (total + next.part.bytes.length > limit) break;
        const more = joinable(next.part, merge);
        if (!more) break;
        for (const record of more) records.push(record);
        total += next.part.bytes.length;
        parts.push(next.part);
        frames.push(next.frame);
        this.shift();
      }
    }
    if (!records || parts.length === 1) return { parts, frames, bytes: first.part.bytes };
    // The runs of the parts stand for the records' offsets; those inside the batches do not count.
    return { parts, frames, bytes: joinRecords(records, codec) };
  }
}

function sizeOf(item: Waiting): number {
  return item.part.kind === "batch" ? item.part.bytes.length : 0;
}

/**
 * The records of a batch that may be joined with others. One that is not what its producer summed
 * up, or whose records do not fit together, goes alone, for the target to refuse it.
 */
function joinable(part: Sendable, merge: MergePolicy): RawRecord[] | undefined {
  if (part.alone === true || part.bytes.length >= merge.belowBytes) return undefined;
  const batch = new Batch(part.bytes);
  if (!batch.isIntact) return undefined;
  try {
    return scanRecords(batch);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

function codecOf(part: Sendable): number {
  return new Batch(part.bytes).codec;
}
