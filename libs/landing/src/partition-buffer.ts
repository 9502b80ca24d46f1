import { invariant } from "@hybridge/core";
import { SourceGapError } from "./errors.ts";
import type { SegmentLimits } from "./limits.ts";
import { ownedRecords } from "./owned-records.ts";
import type { Cut, LandingRecord, SourceBatch, TopicPartition } from "./ports.ts";

/** What a segment will be made of: offsets first..last, and the data records among them. */
export interface Taken {
  readonly first: bigint;
  readonly last: bigint;
  readonly records: readonly LandingRecord[];
  readonly bytes: number;
}

/** What an object and its array slots cost beside the bytes that it refers to; measured roughly. */
const RECORD_OVERHEAD_BYTES = 200;

/** The records of one partition that were read and are not yet part of a segment. Pure. */
export class PartitionBuffer {
  readonly #id: TopicPartition;
  readonly #limits: SegmentLimits;
  #records: LandingRecord[] = [];
  #bytes = 0;
  #openedAtMs = 0;
  #first: bigint | undefined;
  #next: bigint | undefined;
  #leastTimestampMs = Infinity;
  #greatestTimestampMs = -Infinity;
  /** A cut of an earlier run that is to be repeated before anything else. */
  #repeat: Cut | undefined;

  constructor(
    id: TopicPartition,
    limits: SegmentLimits,
    position: bigint | undefined,
    repeat: Cut | undefined,
  ) {
    this.#id = id;
    this.#limits = limits;
    this.#first = position;
    this.#next = position;
    this.#repeat = repeat;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#records.length;
  }

  /** Where reading goes on; undefined before the first batch of a partition without a ledger. */
  get next(): bigint | undefined {
    return this.#next;
  }

  /** Everything below is part of a segment, or held no records. */
  get first(): bigint | undefined {
    return this.#first;
  }

  /** Timestamp of the oldest record that waits. */
  get oldestTimestampMs(): number | undefined {
    return this.#records[0]?.timestampMs;
  }

  /** Adds what was read. @throws SourceGapError when it is not what comes next */
  append(batch: SourceBatch, nowMs: number): void {
    const firstOffset = batch.records[0]?.offset;
    this.#first ??= firstOffset ?? batch.nextOffset;
    this.#next ??= this.#first;
    if ((firstOffset ?? batch.nextOffset) < this.#next) {
      throw new SourceGapError(
        `${this.#id.topic}/${this.#id.partition}: the source gave offset ` +
          `${firstOffset ?? batch.nextOffset} where ${this.#next} or more was to come. ` +
          "Was the topic deleted and made again?",
      );
    }
    if (this.#records.length === 0) this.#openedAtMs = nowMs;
    for (const record of ownedRecords(batch.records)) {
      this.#records.push(record);
      this.#bytes += recordBytes(record);
      this.#widen(record.timestampMs);
    }
    this.#next = batch.nextOffset;
  }

  /** Is there a segment to cut at this time? */
  isDue(nowMs: number): boolean {
    if (this.#repeat) return this.#next !== undefined && this.#next > this.#repeat.last;
    if (this.#records.length === 0) return false;
    const { recordsMax, bytesMax, ageMaxMs, streamMaxMs } = this.#limits;
    return (
      this.#records.length >= recordsMax ||
      this.#bytes >= bytesMax ||
      nowMs - this.#openedAtMs >= ageMaxMs ||
      (streamMaxMs > 0 && this.#greatestTimestampMs - this.#leastTimestampMs > streamMaxMs)
    );
  }

  /** May it be cut before it is due, to free memory? A cut that is repeated may not. */
  get isCuttable(): boolean {
    return this.#repeat === undefined && this.#records.length > 0;
  }

  /** Takes the records of the next segment out, within the limits; or those of the open cut. */
  take(nowMs: number): { readonly taken: Taken; readonly repeated: Cut | undefined } {
    const repeated = this.#repeat;
    this.#repeat = undefined;
    const count = repeated ? this.#countUpTo(repeated.last) : this.#countWithinLimits();
    const records = this.#records.slice(0, count);
    this.#records = this.#records.slice(count);
    const { first, last } = this.#range(records, repeated);
    let bytes = 0;
    for (const record of records) bytes += recordBytes(record);
    this.#bytes -= bytes;
    this.#first = last + 1n;
    this.#openedAtMs = nowMs;
    this.#leastTimestampMs = Infinity;
    this.#greatestTimestampMs = -Infinity;
    for (const record of this.#records) this.#widen(record.timestampMs);
    return { taken: { first, last, records, bytes }, repeated };
  }

  /** Forgets its records: they will not be landed by this process. */
  clear(): void {
    this.#records = [];
    this.#bytes = 0;
  }

  #range(records: readonly LandingRecord[], repeated: Cut | undefined) {
    if (repeated) return repeated;
    invariant(
      this.#first !== undefined && this.#next !== undefined && records.length > 0,
      "an empty buffer was cut",
    );
    // With nothing left behind, the segment covers the control records at its end too, so that the
    // ledger's position reaches the end of the log.
    const newest = records.at(-1)?.offset ?? this.#first;
    return { first: this.#first, last: this.#records.length === 0 ? this.#next - 1n : newest };
  }

  #countUpTo(last: bigint): number {
    const index = this.#records.findIndex((record) => record.offset > last);
    return index === -1 ? this.#records.length : index;
  }

  #countWithinLimits(): number {
    const { recordsMax, bytesMax, streamMaxMs } = this.#limits;
    let count = 0;
    let bytes = 0;
    let least = Infinity;
    let greatest = -Infinity;
    for (const record of this.#records) {
      least = Math.min(least, record.timestampMs);
      greatest = Math.max(greatest, record.timestampMs);
      const tooWide = streamMaxMs > 0 && greatest - least > streamMaxMs;
      if (count > 0 && (count >= recordsMax || bytes >= bytesMax || tooWide)) break;
      count += 1;
      bytes += recordBytes(record);
    }
    return count;
  }

  #widen(timestampMs: number): void {
    this.#leastTimestampMs = Math.min(this.#leastTimestampMs, timestampMs);
    this.#greatestTimestampMs = Math.max(this.#greatestTimestampMs, timestampMs);
  }
}

/** What a record counts against the budget of memory. */
export function recordBytes(record: LandingRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const [name, value] of record.headers) bytes += name.length + (value?.length ?? 0);
  return bytes;
}
