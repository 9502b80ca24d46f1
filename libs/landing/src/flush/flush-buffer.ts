import type { MonotonicClock } from "@hybridge/core";
import type {
  EncodedPartition,
  FlushBuffer as RecordBuffer,
  FlushRecord,
} from "../encoder-port.ts";
import type { Lane } from "../lanes/lane.ts";
import type { GapReason, OffsetRange } from "../log/protocol.ts";
import type { FlushObserver } from "./flusher.ts";
import type { SourceBatch } from "../source-port.ts";

/** The offsets of one lane in a buffer, and how many records they are. */
export interface Slice extends OffsetRange {
  readonly lane: Lane;
  to: bigint;
  records: number;
  /** Records, or the end of a hole: the log has to know. */
  isWorthIt: boolean;
}

/** Offsets that nobody can read any more. */
export interface Gap extends OffsetRange {
  readonly lane: Lane;
  readonly why: GapReason;
  readonly what: string;
}

/**
 * What was read since the last flush, over all lanes. Records go straight to the encoder; what is
 * kept here is what a commit has to say about them.
 */
export class FlushBuffer {
  readonly encoder: RecordBuffer;
  readonly observer: FlushObserver;
  readonly #clock: MonotonicClock;
  readonly #slices = new Map<Lane, Slice>();
  readonly #without: Lane[] = [];
  #gaps: Gap[] = [];
  #isSealed = false;
  #drops = 0;
  #openedAtMs: number | undefined;

  constructor(encoder: RecordBuffer, observer: FlushObserver, clock: MonotonicClock) {
    this.encoder = encoder;
    this.observer = observer;
    this.#clock = clock;
  }

  get records(): number {
    return this.encoder.rows;
  }

  get bytes(): number {
    return this.encoder.bytes;
  }

  /** Monotonic time of the first thing that was worth a commit; undefined when there was none. */
  get openedAtMs(): number | undefined {
    return this.#openedAtMs;
  }

  /** The lane must end where the batch begins. Records at or behind its hole's end are left out. */
  append(lane: Lane, batch: SourceBatch): void {
    const { stopAt } = lane;
    const isCut = stopAt !== undefined && batch.nextOffset > stopAt;
    const records = isCut ? recordsBelow(batch.records, stopAt) : batch.records;
    const to = isCut ? stopAt : batch.nextOffset;
    const slice = this.#sliceOf(lane, batch.from);
    slice.to = to;
    const isFirst = slice.records === 0;
    slice.records += records.length;
    if (records.length > 0) {
      this.encoder.append(placeOf(lane), records);
      this.observer.read(records);
    }
    const firstMs = isFirst ? records[0]?.timestampMs : undefined;
    lane.advance(to, batch.lastStableOffset, records.length, firstMs);
    if (records.length === 0 && lane.state !== "filled") return;
    slice.isWorthIt = true;
    this.#openedAtMs ??= this.#clock.monotonic();
  }

  gap(gap: Gap): void {
    this.#gaps.push(gap);
    this.#openedAtMs ??= this.#clock.monotonic();
  }

  /** No more comes; who is dropped from now on is left out of what is made of it. */
  seal(): void {
    this.#isSealed = true;
  }

  /** Changes when something is dropped: what was made of the buffer before has too much in it. */
  get drops(): number {
    return this.#drops;
  }

  /** What the lane brought is not landed; whoever has the partition reads it again. */
  drop(lane: Lane): void {
    if (!this.has(lane)) return;
    this.#drops += 1;
    this.#gaps = this.#gaps.filter((gap) => gap.lane !== lane);
    if (!this.#slices.delete(lane)) return;
    if (this.#isSealed) this.#without.push(lane);
    else this.encoder.drop([placeOf(lane)]);
  }

  has(lane: Lane): boolean {
    return this.#slices.has(lane) || this.#gaps.some((gap) => gap.lane === lane);
  }

  lanes(): readonly Lane[] {
    return [...this.#slices.keys(), ...this.#gaps.map(({ lane }) => lane)];
  }

  slices(): readonly Slice[] {
    return [...this.#slices.values()];
  }

  gaps(): readonly Gap[] {
    return this.#gaps;
  }

  /** What stays out although its records are in. */
  without(): readonly EncodedPartition[] {
    return this.#without.map(placeOf);
  }

  /** Is there anything that a commit is worth? */
  get isWorthIt(): boolean {
    return this.#gaps.length > 0 || this.slices().some((slice) => slice.isWorthIt);
  }

  #sliceOf(lane: Lane, from: bigint): Slice {
    const open = this.#slices.get(lane);
    if (open) return open;
    const slice = { lane, from, to: from, records: 0, isWorthIt: false };
    this.#slices.set(lane, slice);
    return slice;
  }
}

function placeOf({ topic, partition }: Lane): EncodedPartition {
  return { topic: topic.topic, topicId: topic.topicId, partition };
}

function recordsBelow(records: readonly FlushRecord[], end: bigint): readonly FlushRecord[] {
  const count = records.findIndex(({ offset }) => offset >= end);
  return count === -1 ? records : records.slice(0, count);
}
