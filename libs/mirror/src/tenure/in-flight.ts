import { invariant } from "@hybridge/core";
import type { Frame } from "@hybridge/kafka/raw";
import type { ByteBudget } from "../sending/byte-budget.ts";
import { Outbox, type MergePolicy, type Waiting } from "./outbox.ts";
import { firstOffset, type Sendable } from "./shape.ts";

/** One batch in flight to the target. */
export interface SentBatch {
  readonly parts: readonly Sendable[];
  readonly frames: readonly Frame[];
  /** As the target has to acknowledge it. */
  readonly expected: bigint;
  readonly count: number;
  readonly bytes: Buffer;
  readonly timestampMs: number;
}

/** What of one partition was fetched and is not acknowledged: in flight, and behind it in queue. */
export class InFlight {
  readonly queue: Outbox;
  readonly #budget: ByteBudget;
  readonly #sent: SentBatch[] = [];

  constructor(budget: ByteBudget) {
    this.#budget = budget;
    this.queue = new Outbox(budget);
  }

  get isBusy(): boolean {
    return this.#sent.length > 0;
  }

  /** The first source offset in hand. */
  get sourceOffset(): bigint | undefined {
    const part = this.#sent[0]?.parts[0] ?? this.queue.first?.part;
    return part && firstOffset(part);
  }

  /** The first target offset that is not acknowledged although something is in flight. */
  get targetOffset(): bigint | undefined {
    return this.#sent[0]?.expected;
  }

  /** The time of the oldest batch in hand, if it has one. */
  get oldestMs(): number | undefined {
    const oldest = this.#sent[0]?.timestampMs ?? this.queue.first?.timestampMs;
    return oldest === undefined || oldest < 0 ? undefined : oldest;
  }

  get next(): Waiting["part"] | undefined {
    return this.queue.first?.part;
  }

  /** Takes the next batch out of the queue; it counts as in flight from now on. */
  send(merge: MergePolicy, bytesMax: number, roundTripMs: number, expected: bigint): SentBatch {
    const timestampMs = this.queue.first?.timestampMs ?? -1;
    const { parts, frames, bytes } = this.queue.take(merge, bytesMax, roundTripMs);
    let count = 0;
    for (const part of parts) count += part.count;
    const sent = { parts, frames, expected, count, bytes, timestampMs };
    this.#sent.push(sent);
    return sent;
  }

  /** The oldest batch in flight is acknowledged: this one, as the broker answers in order. */
  acknowledged(sent: SentBatch): void {
    invariant(this.#sent[0] === sent, "batches are acknowledged in the order of sending");
    this.#sent.shift();
    for (const frame of sent.frames) this.#budget.release(frame);
  }

  /** The record at the head of the queue is put aside. */
  deadLettered(): void {
    const item = this.queue.shift();
    if (item) this.#budget.release(item.frame);
  }

  drop(): void {
    for (const sent of this.#sent.splice(0)) {
      for (const frame of sent.frames) this.#budget.abandon(frame);
    }
    this.queue.clear();
  }
}
