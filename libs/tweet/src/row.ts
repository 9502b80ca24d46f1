import { isUtf8 } from "node:buffer";
import { hash } from "node:crypto";
import { columns } from "./columns.ts";
import { deletion, type PostFields, type PostSchema } from "./post.ts";
import { readPost } from "./read-posts.ts";
import type { Reading, UnreadableCode } from "./reading.ts";
import { storable, storableTags } from "./text.ts";
import { isPlausible } from "./time.ts";

type ColumnTable = (typeof columns)[number];

interface ValueOf {
  text: string;
  integer: number;
  long: bigint;
  timestamp: number;
  boolean: boolean;
  binary: Uint8Array;
}

/** A row of the table of posts; its members are those of `columns`, with their types. */
export type TweetRow = {
  readonly [C in ColumnTable as C["name"]]: C["name"] extends RequiredName
    ? ValueOf[C["kind"]]
    : ValueOf[C["kind"]] | null;
};

type RequiredName =
  | "kafka_topic"
  | "kafka_partition"
  | "kafka_offset"
  | "kafka_timestamp"
  | "id"
  | "op"
  | "event_time"
  | "hashtags"
  | "landed_at"
  | "raw_md5"
  | "kafka_timestamp_ms"
  | "kafka_headers";

/** What of a Kafka record a row is made from. */
export interface TweetRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
  /** Who set the timestamp, where the reader knows. */
  readonly timestampType?: "create" | "append";
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

/** Where the record stands, and when its segment was cut. */
export interface Coordinates {
  readonly topic: string;
  readonly topicId?: string;
  readonly partition: number;
  readonly landedAtMs: number;
}

/** Why a record is no row. Stable: dead letters carry it. */
export type NotARow = UnreadableCode | "NOT_A_POST";

export type RowResult =
  | { readonly ok: true; readonly row: TweetRow }
  | { readonly ok: false; readonly code: NotARow; readonly reason: string };

/** Names of the headers of a record (DESIGN: "The record"). */
export const headerNames = {
  source: "hybridge-source",
  schema: "hybridge-schema",
  op: "hybridge-op",
  traceparent: "traceparent",
} as const;

const bytesMax = Object.fromEntries(
  columns.flatMap((each) => ("bytesMax" in each ? [[each.name, each.bytesMax]] : [])),
) as Record<string, number>;

/**
 * The row of a record, or why it can be none. Pure and deterministic: the same record gives the
 * same row on both sides. Typed text is made storable (see text.ts); `raw` stays exact. An id that
 * is longer than its column is refused, since a cut id would name another post.
 *
 * A tombstone (a key and no value) is the deletion of the post with that key. So is a record whose
 * header says delete and whose value does not say of what.
 */
export function rowOf(record: TweetRecord, at: Coordinates): RowResult {
  const headers = headersOf(record);
  const said = saidBy(record, headers.schema ?? undefined, headers.op === "delete");
  if (!said.ok) return said;
  const { fields, schema, raw } = said;
  const id = text("id", fields.id);
  if (id !== fields.id) {
    return { ok: false, code: "NO_ID", reason: "the id is too long or has characters no id has" };
  }
  const row: TweetRow = {
    kafka_topic: at.topic,
    kafka_partition: at.partition,
    kafka_offset: record.offset,
    kafka_timestamp: recordTime(record.timestampMs),
    id,
    op: fields.op,
    event_time: eventTimeOf(
      fields.op === "delete" ? fields.deletedAtMs : fields.createdAtMs,
      fields.observedAtMs,
      fields.createdAtMs,
      record.timestampMs,
    ),
    created_at: storableTime(fields.createdAtMs),
    source: text("source", headers.source),
    schema_name: schema,
    author_id: text("author_id", fields.authorId),
    author_handle: text("author_handle", fields.authorHandle),
    author_name: text("author_name", fields.authorName),
    author_followers: fields.authorFollowers,
    text: text("text", fields.text),
    lang: text("lang", fields.lang),
    hashtags: storableTags(fields.hashtags, bytesMax["hashtags"] ?? 0),
    reply_to_id: text("reply_to_id", fields.replyToId),
    repost_of_id: text("repost_of_id", fields.repostOfId),
    quote_of_id: text("quote_of_id", fields.quoteOfId),
    repost_count: fields.repostCount,
    reply_count: fields.replyCount,
    like_count: fields.likeCount,
    quote_count: fields.quoteCount,
    possibly_sensitive: fields.possiblySensitive,
    traceparent: text("traceparent", headers.traceparent),
    landed_at: at.landedAtMs,
    raw_md5: hash("md5", record.value ?? "", "hex"),
    kafka_topic_id: at.topicId ?? null,
    kafka_timestamp_ms: asLong(record.timestampMs),
    kafka_timestamp_type: record.timestampType ?? null,
    kafka_key: record.key,
    kafka_headers: headersText(record.headers),
    raw,
  };
  return { ok: true, row };
}

type Said =
  | {
      readonly ok: true;
      readonly fields: PostFields;
      readonly schema: PostSchema | null;
      readonly raw: string | null;
    }
  | Extract<RowResult, { readonly ok: false }>;

function saidBy(record: TweetRecord, schema: string | undefined, isDelete: boolean): Said {
  const { key, value } = record;
  if (value === null) {
    return (
      deletionByKey(key, null) ??
      notARow("EMPTY", "there is no value, and no key that names a post")
    );
  }
  const { reading, text: raw } = readPost(value, schema);
  if ("fields" in reading) {
    const { fields } = reading;
    const isPost = reading.kind === "post";
    const said = isDelete && isPost ? asDeletion(fields) : fields;
    return { ok: true, schema: reading.schema, raw, fields: said };
  }
  const isKeyAsked = isDelete && (reading.kind === "other" || reading.code === "NO_ID");
  return (isKeyAsked ? deletionByKey(key, raw) : undefined) ?? refused(reading);
}

/** A post that comes as its own deletion: what it said is not kept again, but in `raw`. */
function asDeletion({ id, authorId, createdAtMs, observedAtMs, version }: PostFields): PostFields {
  return deletion(id, { authorId, createdAtMs, observedAtMs, version });
}

function deletionByKey(key: Buffer | null, raw: string | null): Said | undefined {
  if (key === null || key.length === 0 || !isUtf8(key)) return undefined;
  return { ok: true, schema: null, raw, fields: deletion(key.toString("utf8")) };
}

function refused(reading: Exclude<Reading, { readonly fields: PostFields }>): Said {
  return reading.kind === "unreadable"
    ? notARow(reading.code, reading.reason)
    : notARow("NOT_A_POST", reading.reason);
}

function notARow(code: NotARow, reason: string): Said {
  return { ok: false, code, reason };
}

/** The partition of the tables that a row belongs to: its event time in UTC, as text. */
export function partitionOf(row: Pick<TweetRow, "event_time">): { dt: string; hr: string } {
  const iso = new Date(row.event_time).toISOString();
  return { dt: iso.slice(0, 10), hr: iso.slice(11, 13) };
}

const DAY_MS = 86_400_000;

/**
 * Authors of some sources choose created_at freely. A time that cannot be, or that is more than a
 * day after the record's own, would open partitions without end, so the next best counts instead:
 * what the source says of its message, then the record's own. Producers may write anything there
 * (0, -1, seconds): a record's time that cannot be decides nothing. If all fail, it is 1970.
 */
export function eventTimeOf(
  saidMs: number | null,
  observedMs: number | null,
  createdMs: number | null,
  recordMs: number,
): number {
  const isRecorded = isPlausible(recordMs);
  const latestMs = isRecorded ? recordMs + DAY_MS : Infinity;
  if (isPossible(saidMs, latestMs)) return saidMs;
  if (isPossible(observedMs, latestMs)) return observedMs;
  if (isRecorded) return recordMs;
  return isPossible(createdMs, latestMs) ? createdMs : 0;
}

function isPossible(ms: number | null, latestMs: number): ms is number {
  return ms !== null && isPlausible(ms) && ms <= latestMs;
}

/** Years that every engine's timestamp holds; others are unknown rather than wrong. */
const STORABLE_MIN_MS = Date.UTC(1900, 0, 1);
const STORABLE_END_MS = Date.UTC(2200, 0, 1);

function storableTime(ms: number | null): number | null {
  return ms !== null && ms >= STORABLE_MIN_MS && ms < STORABLE_END_MS ? ms : null;
}

/** -1 is Kafka's "no timestamp", and producers may write anything: 1970 stands for both. */
export function recordTime(ms: number): number {
  return storableTime(Math.max(ms, 0)) ?? 0;
}

const LONG_MAX = 2n ** 63n - 1n;

/** Kafka's timestamps are 64-bit integers; a double beside the largest ones may be 2^63. */
function asLong(ms: number): bigint {
  const value = BigInt(ms);
  return value > LONG_MAX ? LONG_MAX : value;
}

/**
 * All headers, exactly: JSON `[[name, value], ...]` in their order, repeated names too. A value is
 * its text where it is UTF-8, `{"base64": ...}` where it is not, and null where there is none.
 */
export function headersText(headers: TweetRecord["headers"]): string {
  if (headers.length === 0) return "[]";
  return JSON.stringify(
    headers.map(([name, value]) => {
      if (value === null) return [name, null];
      const text = isUtf8(value) ? value.toString("utf8") : { base64: value.toString("base64") };
      return [name, text];
    }),
  );
}

type TextColumn = Extract<ColumnTable, { kind: "text" }>["name"];

function text(name: TextColumn, value: string): string;
function text(name: TextColumn, value: string | null): string | null;
function text(name: TextColumn, value: string | null): string | null {
  return value === null ? null : storable(value, bytesMax[name] ?? 0);
}

function headersOf(record: TweetRecord) {
  let source: string | null = null;
  let schema: string | null = null;
  let op: string | null = null;
  let traceparent: string | null = null;
  for (const [name, value] of record.headers) {
    if (value === null) continue;
    if (name === headerNames.source) source = value.toString("utf8");
    else if (name === headerNames.schema) schema = value.toString("utf8");
    else if (name === headerNames.op) op = value.toString("utf8");
    else if (name === headerNames.traceparent) traceparent = value.toString("utf8");
  }
  return { source, schema, op, traceparent };
}
