import { isUtf8 } from "node:buffer";
import type { EncodedPartition, FlushDeadLetter, FlushRecord } from "@hybridge/landing";
import { rowOf, ScannedPost, scanPost } from "@hybridge/tweet";
import { areSame, writeHeaders, type HeaderContext } from "./header-context.ts";
import { rangeAt, ROW_WORDS, wordAt } from "./row-layout.ts";
import { writeRow, writeScanned, type ValueRange } from "./row-writer.ts";
import type { Slab } from "./slab.ts";

/**
 * The most bytes of a record's value, and of its key and headers: what the VARBYTE of Redshift
 * takes (AWS: "VARBYTE data type"). Both sides use it, so that both have the same posts.
 */
export const VALUE_BYTES_MAX = 1_024_000;

/** Where slabs come from and go back to. */
export interface SlabPool {
  take(): Slab;
  give(slab: Slab): void;
}

/** The rows and dead letters of a buffer, by partition. */
export interface BufferedPartition extends EncodedPartition {
  readonly topicBytes: Buffer;
  readonly topicIdBytes: Buffer;
  isDropped: boolean;
  rows: number;
}

/** One hour's rows: places of `order` from `from` to `to`. */
export interface HourRows {
  readonly hour: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Rows in memory, in the order in which their records came. A record is copied once, scanned, and
 * kept as its bytes and a row of numbers; only unusual ones are parsed by the reader in JavaScript.
 */
export class RowBuffer {
  readonly slabs: Slab[] = [];
  readonly partitions: BufferedPartition[] = [];
  /** Each with the index of its partition. */
  readonly deadLetters: (readonly [partition: number, letter: FlushDeadLetter])[] = [];
  rows = 0;
  bytes = 0;
  /** Records that the reader in JavaScript took. */
  unusual = 0;
  readonly #pool: SlabPool;
  readonly #indexes = new Map<string, number>();
  readonly #said = new ScannedPost();
  /** Headers that records of the last slab had, the last ones first. */
  readonly #contexts: HeaderContext[] = [];
  #contextSlab: Slab | undefined;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  append(at: EncodedPartition, records: readonly FlushRecord[]): void {
    const partition = this.#indexOf(at);
    let next = 0;
    while (next < records.length) {
      const slab = this.#slabFor(records[next]?.value?.length ?? 0);
      const startedAt = slab.bytesUsed;
      const first = next;
      // All values first: whether they are UTF-8 is one question for all of them.
      while (next < records.length) {
        const value = records[next]?.value ?? null;
        const bytes = value === null || value.length > VALUE_BYTES_MAX ? 0 : value.length;
        if (next > first && !slab.hasRoomFor(bytes, next - first)) break;
        if (value !== null && bytes === value.length) slab.addValue(value);
        next += 1;
      }
      const isAllUtf8 = isUtf8(slab.bytes.subarray(startedAt, slab.bytesUsed));
      this.#appendRun(slab, partition, records, first, next, startedAt, isAllUtf8);
    }
  }

  drop(partitions: readonly EncodedPartition[]): void {
    for (const each of partitions) {
      const dropped = this.partitions[this.#indexes.get(keyOf(each)) ?? -1];
      if (dropped === undefined) continue;
      dropped.isDropped = true;
      // What comes afterwards, when it is assigned again, is kept.
      this.#indexes.delete(keyOf(each));
    }
  }

  /** Whether rows of the partition with this index are to be written. */
  isWanted(without: readonly EncodedPartition[]): readonly boolean[] {
    const unwanted = new Set(without.map(keyOf));
    return this.partitions.map((each) => !each.isDropped && !unwanted.has(keyOf(each)));
  }

  /** Rows of wanted partitions by hour, hours in order, in each the order of the buffer. */
  byHour(isWanted: readonly boolean[]): { readonly order: Int32Array; readonly hours: HourRows[] } {
    const counts = new Map<number, number>();
    let total = 0;
    this.#visit(isWanted, (hour) => {
      counts.set(hour, (counts.get(hour) ?? 0) + 1);
      total += 1;
    });
    const places = new Map<number, number>();
    const hours: HourRows[] = [];
    let from = 0;
    for (const [hour, count] of [...counts].sort(([a], [b]) => a - b)) {
      places.set(hour, from);
      hours.push({ hour, from, to: from + count });
      from += count;
    }
    const order = new Int32Array(total);
    this.#visit(isWanted, (hour, row) => {
      const place = places.get(hour) ?? 0;
      order[place] = row;
      places.set(hour, place + 1);
    });
    return { order, hours };
  }

  /** Bytes of the value of the row with this number. */
  valueBytes(row: number): number {
    const words = this.slabs[row >> ROW_BITS]?.words;
    return Math.max(0, words?.[(row & ROW_MASK) * ROW_WORDS + RAW_LENGTH] ?? 0);
  }

  clear(): void {
    for (const slab of this.slabs.splice(0)) this.#pool.give(slab);
    this.#contexts.length = 0;
    this.#contextSlab = undefined;
    this.deadLetters.length = 0;
    this.partitions.length = 0;
    this.#indexes.clear();
    this.rows = 0;
    this.bytes = 0;
  }

  #visit(isWanted: readonly boolean[], each: (hour: number, row: number) => void): void {
    for (const [index, { words, rows }] of this.slabs.entries()) {
      for (let row = 0; row < rows; row++) {
        const base = row * ROW_WORDS;
        if (isWanted[words[base + wordAt.partition] ?? -1] !== true) continue;
        each(words[base + wordAt.hour] ?? 0, (index << ROW_BITS) | row);
      }
    }
  }

  #appendRun(
    slab: Slab,
    partition: number,
    records: readonly FlushRecord[],
    first: number,
    end: number,
    startedAt: number,
    isAllUtf8: boolean,
  ): void {
    const value: ValueRange = { start: startedAt, length: -1 };
    const said = this.#said;
    for (let index = first; index < end; index++) {
      const record = records[index];
      if (record === undefined) break;
      value.length = record.value?.length ?? -1;
      const isTooLarge = value.length > VALUE_BYTES_MAX;
      const headers = this.#headersOf(slab, record);
      const isUsual =
        headers !== undefined &&
        isAllUtf8 &&
        value.length > 0 &&
        !isTooLarge &&
        !headers.isUnusual &&
        Number.isSafeInteger(record.timestampMs) &&
        (record.key?.length ?? 0) <= KEY_BYTES_USUAL &&
        scanPost(slab.bytes, value.start, value.start + value.length, said);
      if (isUsual) {
        writeScanned(slab, partition, record, value, headers, said);
        this.#count(partition, record);
      } else this.#appendUnusual(slab, partition, record, value);
      if (value.length >= 0 && !isTooLarge) value.start += value.length + 1;
    }
  }

  #appendUnusual(slab: Slab, partition: number, record: FlushRecord, value: ValueRange): void {
    this.unusual += 1;
    const at = this.partitions[partition];
    if (at === undefined) return;
    const result = rowSafely(record, at);
    if (result.ok) {
      writeRow(slab, partition, result.row, value);
      this.#count(partition, record);
    } else {
      const { topic, topicId, partition: number } = at;
      const reason = `${result.code}: ${result.reason}`;
      const letter = { topic, topicId, partition: number, reason, ...ownRecord(record) };
      this.deadLetters.push([partition, letter]);
      this.bytes += bytesOf(record);
    }
  }

  #count(partition: number, record: FlushRecord): void {
    const at = this.partitions[partition];
    if (at !== undefined) at.rows += 1;
    this.rows += 1;
    this.bytes += bytesOf(record);
  }

  /** The record's headers on the side of the slab; undefined when they are more than a column takes. */
  #headersOf(slab: Slab, { headers }: FlushRecord): HeaderContext | undefined {
    const contexts = this.#contexts;
    if (this.#contextSlab !== slab) {
      contexts.length = 0;
      this.#contextSlab = slab;
    }
    for (let index = 0; index < contexts.length; index++) {
      const known = contexts[index];
      if (known === undefined || !areSame(known.headers, headers)) continue;
      if (index > 0) {
        contexts[index] = contexts[0] ?? known;
        contexts[0] = known;
      }
      return known;
    }
    if (headersBytes(headers) > HEADERS_BYTES_USUAL) return undefined;
    const written = writeHeaders(slab, headers);
    if (contexts.unshift(written) > CONTEXTS_MAX) contexts.pop();
    return written;
  }

  #slabFor(bytes: number): Slab {
    const last = this.slabs.at(-1);
    if (last?.hasRoomFor(Math.min(bytes, VALUE_BYTES_MAX), 0) === true) return last;
    const slab = this.#pool.take();
    this.slabs.push(slab);
    return slab;
  }

  #indexOf(at: EncodedPartition): number {
    const key = keyOf(at);
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const { topic, topicId, partition } = at;
    const index = this.partitions.length;
    this.partitions.push({
      ...{ topic, topicId, partition },
      topicBytes: Buffer.from(topic),
      topicIdBytes: Buffer.from(topicId),
      isDropped: false,
      rows: 0,
    });
    this.#indexes.set(key, index);
    return index;
  }
}

/** Rows are numbered by their slab and their place in it, which these bits hold. */
export const ROW_BITS = 16;
export const ROW_MASK = (1 << ROW_BITS) - 1;
const RAW_LENGTH = rangeAt("raw") + 1;

/** Records with the same headers share what was made of them; sources have a few of them by turns. */
const CONTEXTS_MAX = 4;

/** What the fast way writes; larger ones are for the slow way. */
const HEADERS_BYTES_USUAL = 16_384;
const KEY_BYTES_USUAL = 65_536;

export function keyOf({ topic, topicId, partition }: EncodedPartition): string {
  return `${partition}/${topicId}/${topic}`;
}

/**
 * rowOf throws nothing. Were that ever wrong for some record, it would stop its partition at every
 * try: then the record is a dead letter too, with the error's name alone.
 */
function rowSafely(record: FlushRecord, { topic, topicId, partition }: EncodedPartition) {
  const bytes = record.value?.length ?? 0;
  const beside = (record.key?.length ?? 0) + headersBytes(record.headers);
  if (bytes > VALUE_BYTES_MAX || beside > BESIDE_BYTES_MAX) {
    const reason = `${bytes} bytes and ${beside} of key and headers, at most ${VALUE_BYTES_MAX} and ${BESIDE_BYTES_MAX} can be a row`;
    return { ok: false, code: "TOO_LARGE", reason } as const;
  }
  try {
    return rowOf(record, { topic, topicId, partition, landedAtMs: 0 });
  } catch (error) {
    const reason = `reading it failed: ${error instanceof Error ? error.name : "no error"}`;
    return { ok: false, code: "FAILED", reason } as const;
  }
}

/** Headers become JSON: at worst six bytes for one, within what VARBYTE takes. */
const BESIDE_BYTES_MAX = 160_000;

function bytesOf(record: FlushRecord): number {
  const own = (record.value?.length ?? 0) + (record.key?.length ?? 0);
  return own + headersBytes(record.headers) + ROW_WORDS * 4;
}

function headersBytes(headers: FlushRecord["headers"]): number {
  let bytes = 0;
  for (const [name, value] of headers) bytes += name.length + (value?.length ?? 0);
  return bytes;
}

/** A copy: the views of the record are its reader's. */
function ownRecord({ offset, timestampMs, key, value, headers }: FlushRecord) {
  return {
    offset,
    timestampMs,
    key: key && Buffer.from(key),
    value: value && Buffer.from(value),
    headers: headers.map(([name, each]) => [name, each && Buffer.from(each)] as const),
  };
}
