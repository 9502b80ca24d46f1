import {
  eventTimeOf,
  recordTime,
  scannedCounts,
  scannedTexts,
  quotableTexts,
  type ScannedPost,
  type TweetRecord,
  type TweetRow,
} from "@hybridge/tweet";
import type { HeaderContext } from "./header-context.ts";
import {
  choiceNames,
  choices,
  choiceShift,
  longAt,
  longNames,
  NULL_HIGH,
  NULL_LENGTH,
  NULL_LOW,
  rangeAt,
  rangeNames,
  ROW_WORDS,
  wordAt,
} from "./row-layout.ts";
import type { Slab } from "./slab.ts";

const HOUR_MS = 3_600_000;

const OFFSET = longAt("kafka_offset");
const TIMESTAMP = longAt("kafka_timestamp");
const TIMESTAMP_MS = longAt("kafka_timestamp_ms");
const EVENT_TIME = longAt("event_time");
const CREATED_AT = longAt("created_at");
const COUNTS = longAt(scannedCounts[0]);
const TEXTS = rangeAt(scannedTexts[0]);
const ID = rangeAt("id");
const SOURCE = rangeAt("source");
const TRACEPARENT = rangeAt("traceparent");
const KEY = rangeAt("kafka_key");
const HEADERS = rangeAt("kafka_headers");
const RAW = rangeAt("raw");
const SCHEMA = choiceShift("schema_name");
const SENSITIVE = choiceShift("possibly_sensitive");
const TIMESTAMP_TYPE = choiceShift("kafka_timestamp_type");

/** Where the value of a record stands in its slab. */
export interface ValueRange {
  start: number;
  length: number;
}

/** Writes the next row of a slab from a usual record. */
export function writeScanned(
  slab: Slab,
  partition: number,
  record: TweetRecord,
  value: ValueRange,
  headers: HeaderContext,
  said: ScannedPost,
): void {
  const { words } = slab;
  const base = slab.rows * ROW_WORDS;
  const { createdAtMs } = said;
  const eventMs = eventTimeOf(createdAtMs, said.observedAtMs, createdAtMs, record.timestampMs);
  slab.longs[(base + OFFSET) / 2] = record.offset;
  putNumber(words, base + TIMESTAMP, recordTime(record.timestampMs));
  putNumber(words, base + TIMESTAMP_MS, record.timestampMs);
  putNumber(words, base + EVENT_TIME, eventMs);
  putNumber(words, base + CREATED_AT, createdAtMs);
  for (let index = 0; index < scannedCounts.length; index++) {
    putNumber(words, base + COUNTS + index * 2, said.counts[index] ?? Number.NaN);
  }
  const side = said.composedBytes === 0 ? 0 : slab.addSide(said.composed, 0, said.composedBytes);
  for (let index = 0; index < scannedTexts.length; index++) {
    const start = said.starts[index] ?? 0;
    const at = base + TEXTS + index * 2;
    // A complement of a place in `composed` becomes one of a place on the side.
    words[at] = start < 0 ? start - side : start;
    words[at + 1] = said.lengths[index] ?? NULL_LENGTH;
  }
  putSide(words, base + SOURCE, headers.source);
  putSide(words, base + TRACEPARENT, headers.traceparent);
  putSide(words, base + HEADERS, headers.text);
  if (isId(slab, base, record.key)) {
    words[base + KEY] = words[base + ID] ?? 0;
    words[base + KEY + 1] = words[base + ID + 1] ?? 0;
  } else putKey(slab, base + KEY, record.key);
  words[base + RAW] = value.start;
  words[base + RAW + 1] = value.length;
  const schema = choices.schema_name.indexOf(said.schema);
  const sensitive = choices.possibly_sensitive.indexOf(said.possiblySensitive);
  const type = choices.kafka_timestamp_type.indexOf(record.timestampType ?? null);
  const chosen = (schema << SCHEMA) | (sensitive << SENSITIVE) | (type << TIMESTAMP_TYPE);
  finish(slab, base, partition, eventMs, chosen);
}

/** Writes the next row of a slab from a row that the reader in JavaScript has made. */
export function writeRow(slab: Slab, partition: number, row: TweetRow, value: ValueRange): void {
  const { words } = slab;
  const base = slab.rows * ROW_WORDS;
  for (const name of longNames) {
    const number = row[name];
    const at = base + longAt(name);
    if (typeof number === "bigint") slab.longs[at / 2] = number;
    else putNumber(words, at, number ?? Number.NaN);
  }
  for (const name of rangeNames) {
    const at = base + rangeAt(name);
    if (name === "raw") {
      words[at] = value.start;
      words[at + 1] = value.length;
    } else if (name === "kafka_key") putKey(slab, at, row.kafka_key);
    else putText(slab, at, row[name], quotableTexts.has(name));
  }
  let chosen = 0;
  for (const name of choiceNames) {
    const possible: readonly unknown[] = choices[name];
    chosen |= possible.indexOf(row[name]) << choiceShift(name);
  }
  finish(slab, base, partition, row.event_time, chosen);
}

function finish(
  slab: Slab,
  base: number,
  partition: number,
  eventMs: number,
  chosen: number,
): void {
  slab.words[base + wordAt.partition] = partition;
  slab.words[base + wordAt.hour] = Math.floor(eventMs / HOUR_MS);
  slab.words[base + wordAt.choices] = chosen;
  slab.rows += 1;
}

/** 64 bits of a whole number within 2^53; NaN is NULL. Without a bigint, which would be an object. */
function putNumber(words: Int32Array, at: number, value: number): void {
  if (Number.isNaN(value)) {
    words[at] = NULL_LOW;
    words[at + 1] = NULL_HIGH;
    return;
  }
  words[at] = value | 0;
  words[at + 1] = Math.floor(value / 0x1_0000_0000);
}

/** Whether a key is the id of its post, as it usually is: then it stands in the value already. */
function isId(slab: Slab, base: number, key: Buffer | null): boolean {
  const start = slab.words[base + ID] ?? 0;
  if (key === null || slab.words[base + ID + 1] !== key.length) return false;
  const bytes = start < 0 ? slab.side : slab.bytes;
  const from = start < 0 ? ~start : start;
  for (let index = 0; index < key.length; index++) {
    if (bytes[from + index] !== key[index]) return false;
  }
  return true;
}

function putSide(
  words: Int32Array,
  at: number,
  range: { readonly start: number; readonly length: number },
): void {
  words[at] = ~range.start;
  words[at + 1] = range.length;
}

function putKey(slab: Slab, at: number, key: Uint8Array | null): void {
  const { words } = slab;
  words[at] = key === null ? 0 : ~slab.addSide(key, 0, key.length);
  words[at + 1] = key?.length ?? NULL_LENGTH;
}

/** A text that begins with a quote would be taken for JSON where texts may be JSON: so it becomes it. */
function putText(slab: Slab, at: number, text: string | null, isQuotable: boolean): void {
  if (text === null) {
    slab.words[at] = 0;
    slab.words[at + 1] = NULL_LENGTH;
    return;
  }
  const written = isQuotable && text.startsWith('"') ? JSON.stringify(text) : text;
  putSide(slab.words, at, slab.addSideText(written));
}
