import type { Frame } from "@hybridge/kafka/raw";
import type { Budget } from "./budget.ts";
import { Outbox, type MergePolicy, type Waiting } from "./outbox.ts";
import { firstOffset, type Sendable } from "./shape.ts";

/** One batch under way to the target. */
export interface Sent {
  readonly parts: readonly Sendable[];
  readonly frames: readonly Frame[];
  /** As the target has to acknowledge it. */
  readonly expected: bigint;
  readonly count: number;
  readonly bytes: Buffer;
  readonly timestampMs: number;
}

/** What of one partition was fetched and is not acknowledged: under way, and behind it in line. */
export class InHand {
  readonly line: Outbox;
  readonly #budget: Budget;
  readonly #sent: Sent[] = [];

  constructor(budget: Budget) {
    this.#budget = budget;
    this.line = new Outbox(budget);
  }

  get isUnderWay(): boolean {
    return this.#sent.length > 0;
  }

  /** The first source offset in hand. */
  get sourceOffset(): bigint | undefined {
    const part = this.#sent[0]?.parts[0] ?? this.line.first?.part;
    return part && firstOffset(part);
  }

  /** The first target offset that is not acknowledged although something is under way. */
  get targetOffset(): bigint | undefined {
    return this.#sent[0]?.expected;
  }

  /** The time of the oldest batch in hand, if it has one. */
  get oldestMs(): number | undefined {
    const oldest = this.#sent[0]?.timestampMs ?? this.line.first?.timestampMs;
    return oldest === undefined || oldest < 0 ? undefined : oldest;
  }

  get next(): Waiting["part"] | undefined {
    return this.line.first?.part;
  }

  /** Takes the next batch out of the line; it counts as under way from now on. */
  send(merge: MergePolicy, bytesMax: number, roundTripMs: number, expected: bigint): Sent {
    const timestampMs = this.line.first?.timestampMs ?? -1;
    const { parts, frames, bytes } = this.line.take(merge, bytesMax, roundTripMs);
    let count = 0;
    for (const part of parts) count += part.count;
    const sent = { parts, frames, expected, count, bytes, timestampMs };
    this.#sent.push(sent);
    return sent;
  }

  /** The oldest batch under way is acknowledged. */
  acknowledged(): void {
    for (const frame of this.#sent.shift()?.frames ?? []) this.#budget.release(frame);
  }

  /** The record at the head of the line is put aside. */
  putAside(): void {
    const item = this.line.shift();
    if (item) this.#budget.release(item.frame);
  }

  drop(): void {
    for (const sent of this.#sent.splice(0)) {
      for (const frame of sent.frames) this.#budget.abandon(frame);
    }
    this.line.clear();
  }
}
