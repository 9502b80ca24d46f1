import duckdb from "@duckdb/node-bindings";
import type { DuckDBDataChunk } from "@duckdb/node-api";
import { ROW_BITS, ROW_MASK, type BufferedPartition, type RowBuffer } from "./row-buffer.ts";
import {
  choiceNames,
  choices,
  choiceShift,
  HOUR_COLUMN,
  longAt,
  longNames,
  NULL_HIGH,
  NULL_LOW,
  rangeAt,
  rangeNames,
  ROW_WORDS,
  storedColumns,
  wordAt,
} from "./row-layout.ts";
import type { Slab } from "./slab.ts";
import { addAddress, ENTRY_BYTES, NativeBlock, needsBlock, writeEntry } from "./string-views.ts";

/** Rows of DuckDB's vectors. */
const CHUNK_ROWS = 2_048;
/** Bytes of values in a chunk, unless one alone is larger. */
const CHUNK_BYTES = 2_097_152;
const RAW = rangeAt("raw");

type Form = "range" | "long" | "choice" | "flag" | "topic" | "topicId" | "partition" | "hour";

/** One column of a chunk while it is made: as DuckDB's vectors have it. */
interface PackedColumn {
  readonly form: Form;
  /** Word of the row, or shift of a choice. */
  readonly at: number;
  /** Texts of a choice. */
  readonly texts: readonly (Buffer | null)[];
  readonly itemBytes: number;
  readonly isNullable: boolean;
  readonly data: Uint32Array<ArrayBuffer>;
  /** The same as bytes. */
  readonly flags: Uint8Array<ArrayBuffer>;
  readonly nulls: Uint8Array<ArrayBuffer>;
  hasNulls: boolean;
  /** Where the last text of the side was put: neighbours share headers. */
  lastSlab: Slab | undefined;
  lastStart: number;
  lastPlace: number;
}

/**
 * Makes DuckDB's chunks of rows of a buffer: the bytes of their values are brought together in one
 * block, texts become views of it, numbers are copied. One at a time, used again and again.
 */
export class ChunkPacker {
  readonly #columns = storedColumns.map(packedColumn);
  readonly #blocks = [new NativeBlock(), new NativeBlock()] as const;
  #turn = false;
  #bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES + 262_144);
  #used = 0;
  /** Places of names of topics. */
  readonly #names = new Map<Buffer, number>();
  /** Values that stand side by side in a slab are copied together. */
  #pending: { slab: Slab; from: number; to: number; place: number } | undefined;

  /**
   * Fills a chunk with rows of `order` from `from`, at most to `to`.
   *
   * @param wanted the stored columns that the chunk has, by index
   * @returns where the next chunk begins
   */
  pack(
    buffer: RowBuffer,
    order: Int32Array,
    from: number,
    to: number,
    wanted: readonly number[],
    chunk: DuckDBDataChunk,
  ): number {
    const columns = wanted.flatMap((index) => this.#columns[index] ?? []);
    this.#begin(columns);
    let next = from;
    while (next < to && next - from < CHUNK_ROWS) {
      const id = order[next] ?? 0;
      const slab = buffer.slabs[id >> ROW_BITS];
      if (slab === undefined) break;
      const base = (id & ROW_MASK) * ROW_WORDS;
      const length = Math.max(0, slab.words[base + RAW + 1] ?? 0);
      if (next > from && this.#usedSoon() + length > CHUNK_BYTES) break;
      this.#addRow(columns, next - from, slab, base, buffer.partitions);
      next += 1;
    }
    this.#copyPending();
    this.#finish(columns, next - from, chunk);
    return next;
  }

  #begin(columns: readonly PackedColumn[]): void {
    this.#used = 0;
    this.#names.clear();
    for (const column of columns) {
      if (column.hasNulls) column.nulls.fill(0xff);
      column.hasNulls = false;
      column.lastSlab = undefined;
    }
  }

  #addRow(
    columns: readonly PackedColumn[],
    row: number,
    slab: Slab,
    base: number,
    partitions: readonly BufferedPartition[],
  ): void {
    const { words } = slab;
    const valueAt = words[base + RAW] ?? 0;
    const place = this.#addValue(slab, valueAt, words[base + RAW + 1] ?? 0);
    for (const column of columns) {
      switch (column.form) {
        case "range":
          this.#addRange(column, row, slab, base, place - valueAt);
          break;
        case "long": {
          const low = words[base + column.at] ?? 0;
          const high = words[base + column.at + 1] ?? 0;
          column.data[row * 2] = low;
          column.data[row * 2 + 1] = high;
          if (column.isNullable && high === NULL_HIGH && low === NULL_LOW) setNull(column, row);
          break;
        }
        case "choice":
        case "flag": {
          const choice = ((words[base + wordAt.choices] ?? 0) >> column.at) & 15;
          if (column.form === "flag") setFlag(column, row, choice);
          else setChoice(column, row, column.texts[choice] ?? null);
          break;
        }
        case "hour":
          column.data[row] = words[base + column.at] ?? 0;
          break;
        default:
          this.#addCoordinate(column, row, partitions[words[base + wordAt.partition] ?? 0]);
      }
    }
  }

  #addRange(column: PackedColumn, row: number, slab: Slab, base: number, shift: number): void {
    const start = slab.words[base + column.at] ?? 0;
    const length = slab.words[base + column.at + 1] ?? 0;
    if (length < 0) setNull(column, row);
    else if (start >= 0) writeEntry(column.data, row, slab.bytes, start, length, start + shift);
    else {
      const place = needsBlock(length) ? this.#addSide(column, slab, ~start, length) : 0;
      writeEntry(column.data, row, slab.side, ~start, length, place);
    }
  }

  #addSide(column: PackedColumn, slab: Slab, start: number, length: number): number {
    if (column.lastSlab === slab && column.lastStart === start) return column.lastPlace;
    this.#copyPending();
    const place = this.#reserve(length);
    copyShort(slab.side, start, this.#bytes, place, length);
    column.lastSlab = slab;
    column.lastStart = start;
    column.lastPlace = place;
    return place;
  }

  #addCoordinate(column: PackedColumn, row: number, at: BufferedPartition | undefined): void {
    if (at === undefined) return;
    if (column.form === "partition") {
      column.data[row] = at.partition;
      return;
    }
    const name = column.form === "topic" ? at.topicBytes : at.topicIdBytes;
    let place = this.#names.get(name);
    if (place === undefined) {
      this.#copyPending();
      place = this.#reserve(name.length);
      name.copy(this.#bytes, place);
      this.#names.set(name, place);
    }
    writeEntry(column.data, row, name, 0, name.length, place);
  }

  /** The place that a value will have in the block. */
  #addValue(slab: Slab, from: number, length: number): number {
    if (length < 0) return 0;
    const pending = this.#pending;
    // Behind each value stands a zero byte: it goes along.
    if (pending?.slab === slab && pending.to === from) {
      pending.to = from + length + 1;
      return pending.place + from - pending.from;
    }
    this.#copyPending();
    this.#pending = { slab, from, to: from + length + 1, place: this.#used };
    return this.#used;
  }

  #copyPending(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    const { slab, from, to } = pending;
    const place = this.#reserve(to - from);
    slab.bytes.copy(this.#bytes, place, from, to);
  }

  #usedSoon(): number {
    return this.#used + (this.#pending === undefined ? 0 : this.#pending.to - this.#pending.from);
  }

  #reserve(length: number): number {
    const place = this.#used;
    this.#used += length;
    if (this.#used > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.#used, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, place);
      this.#bytes = grown;
    }
    return place;
  }

  #finish(columns: readonly PackedColumn[], rows: number, chunk: DuckDBDataChunk): void {
    this.#turn = !this.#turn;
    const address = this.#blocks[this.#turn ? 1 : 0].fill(this.#bytes, this.#used);
    chunk.rowCount = rows;
    for (const [place, column] of columns.entries()) {
      const vector = duckdb.data_chunk_get_vector(chunk.chunk, place);
      const { data, itemBytes, nulls } = column;
      if (itemBytes === ENTRY_BYTES) addAddress(data, rows, address);
      duckdb.copy_data_to_vector(vector, 0, data.buffer, 0, rows * itemBytes);
      if (!column.hasNulls) continue;
      duckdb.vector_ensure_validity_writable(vector);
      const bytes = Math.ceil(rows / 64) * 8;
      duckdb.copy_data_to_vector_validity(vector, 0, nulls.buffer, 0, bytes);
    }
  }
}

/** Keys and ids are short: a loop is faster than a call into native code. */
function copyShort(from: Buffer, start: number, to: Buffer, place: number, length: number): void {
  if (length > 64) from.copy(to, place, start, start + length);
  else for (let at = 0; at < length; at++) to[place + at] = from[start + at] ?? 0;
}

function setNull(column: PackedColumn, row: number): void {
  column.nulls[row >> 3] = (column.nulls[row >> 3] ?? 0xff) & ~(1 << (row & 7));
  column.hasNulls = true;
  // What stands there must be no address of a block that is gone.
  if (column.itemBytes === ENTRY_BYTES) column.data[row * 4] = 0;
}

function setFlag(column: PackedColumn, row: number, choice: number): void {
  const flag = choices.possibly_sensitive[choice] ?? null;
  column.flags[row] = flag === true ? 1 : 0;
  if (flag === null) setNull(column, row);
}

function setChoice(column: PackedColumn, row: number, text: Buffer | null): void {
  if (text === null) setNull(column, row);
  else writeEntry(column.data, row, text, 0, text.length, 0);
}

const ITEM_BYTES: Record<Form, number> = {
  range: ENTRY_BYTES,
  topic: ENTRY_BYTES,
  topicId: ENTRY_BYTES,
  choice: ENTRY_BYTES,
  long: 8,
  partition: 4,
  hour: 4,
  flag: 1,
};

function packedColumn({ name, nullable }: (typeof storedColumns)[number]): PackedColumn {
  const { form, at, texts = [] } = formOf(name);
  const itemBytes = ITEM_BYTES[form];
  const data = new Uint32Array((CHUNK_ROWS * itemBytes) / 4);
  return {
    form,
    at,
    texts: texts.map((text) => (text === null ? null : Buffer.from(text))),
    itemBytes,
    isNullable: nullable,
    data,
    flags: new Uint8Array(data.buffer),
    nulls: new Uint8Array(CHUNK_ROWS / 8).fill(0xff),
    hasNulls: false,
    lastSlab: undefined,
    lastStart: 0,
    lastPlace: 0,
  };
}

function formOf(name: string): {
  readonly form: Form;
  readonly at: number;
  readonly texts?: readonly (string | null)[];
} {
  if (name === "kafka_topic") return { form: "topic", at: 0 };
  if (name === "kafka_topic_id") return { form: "topicId", at: 0 };
  if (name === HOUR_COLUMN.name) return { form: "hour", at: wordAt.hour };
  if (name === "kafka_partition") return { form: "partition", at: 0 };
  const long = longNames.find((each) => each === name);
  if (long !== undefined) return { form: "long", at: longAt(long) };
  const range = rangeNames.find((each) => each === name);
  if (range !== undefined) return { form: "range", at: rangeAt(range) };
  const choice = choiceNames.find((each) => each === name);
  if (choice === undefined) throw new RangeError(`rows of a buffer have no column ${name}`);
  if (choice === "possibly_sensitive") return { form: "flag", at: choiceShift(choice) };
  // At most twelve bytes each: they need no block.
  return { form: "choice", at: choiceShift(choice), texts: choices[choice] };
}
