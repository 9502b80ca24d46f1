import { invariant } from "@hybridge/core";
import { HEADER_BYTES, type Frame } from "@hybridge/kafka/raw";
import type { ByteBudget } from "../sending/byte-budget.ts";
import { Outbox, type MergePolicy, type Waiting } from "./outbox.ts";
import { firstOffset, type Rejected, type Sendable } from "./shape.ts";

/** One batch in flight to the target. */
export interface SentBatch {
  readonly parts: readonly Sendable[];
  readonly frames: readonly Frame[];
  /** As the target has to acknowledge it. */
  readonly expected: bigint;
  readonly baseSequence: number;
  readonly count: number;
  readonly bytes: Buffer;
  /** What stood where the stamp stands now, when it is the bytes as they were fetched. */
  readonly header: Buffer | undefined;
  readonly timestampMs: number;
}

/** Where a batch goes. */
export interface SendPlace {
  readonly expected: bigint;
  readonly baseSequence: number;
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

  get sentCount(): number {
    return this.#sent.length;
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
  send(merge: MergePolicy, bytesMax: number, roundTripMs: number, place: SendPlace): SentBatch {
    const timestampMs = this.queue.first?.timestampMs ?? -1;
    const { parts, frames, bytes } = this.queue.take(merge, bytesMax, roundTripMs);
    let count = 0;
    for (const part of parts) count += part.count;
    const header = parts.length === 1 ? Buffer.from(bytes.subarray(0, HEADER_BYTES)) : undefined;
    const sent = { parts, frames, ...place, count, bytes, header, timestampMs };
    this.#sent.push(sent);
    return sent;
  }

  /** The oldest batch in flight is acknowledged: this one, as the broker answers in order. */
  acknowledged(sent: SentBatch): void {
    invariant(this.#sent[0] === sent, "batches are acknowledged in the order of sending");
    this.#sent.shift();
    for (const frame of sent.frames) this.#budget.release(frame);
  }

  /**
   * Takes back what is in flight, after the target has refused all of it: nothing of it is in the
   * log, and none of its memory is on its way any more.
   *
   * @param reshape what becomes of a part
   */
  takeBack(reshape: (part: Sendable, sent: SentBatch) => readonly (Sendable | Rejected)[]): void {
    const back: Waiting[] = [];
    const frames: Frame[] = [];
    for (const sent of this.#sent.splice(0)) {
      sent.header?.copy(sent.bytes);
      for (const [index, part] of sent.parts.entries()) {
        const frame = sent.frames[index];
        invariant(frame !== undefined, "each part has its frame");
        for (const each of reshape(part, sent)) {
          back.push({ part: each, frame, timestampMs: sent.timestampMs });
        }
      }
      frames.push(...sent.frames);
    }
    this.queue.requeue(back, frames);
  }

  /** The records at the head of the queue that go to the dead letters, up to a bound. */
  rejected(countMax: number, bytesMax: number): Rejected[] {
    const list: Rejected[] = [];
    let bytes = 0;
    for (const { part } of this.queue) {
      if (part.kind !== "rejected" || list.length >= countMax) break;
      bytes += (part.record.value?.length ?? 0) + (part.record.key?.length ?? 0);
      if (list.length > 0 && bytes > bytesMax) break;
      list.push(part);
    }
    return list;
  }

  /** So many records at the head of the queue are in the dead letters. */
  deadLettered(count: number): void {
    for (let index = 0; index < count; index++) {
      const item = this.queue.shift();
      if (item) this.#budget.release(item.frame);
    }
  }

  drop(): void {
    for (const sent of this.#sent.splice(0)) {
      for (const frame of sent.frames) this.#budget.abandon(frame);
    }
    this.queue.clear();
  }
}
