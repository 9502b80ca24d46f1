import { columns, scannedCounts, scannedTexts, type Column } from "@hybridge/tweet";

/** Numbers of a row that are kept as 64 bits; NULL is a value that none of them has. */
export const longNames = [
  "kafka_offset",
  "kafka_timestamp",
  "kafka_timestamp_ms",
  "event_time",
  "created_at",
  ...scannedCounts,
] as const;

/** Texts and bytes of a row that are kept as a place and a length. */
export const rangeNames = [
  ...scannedTexts,
  "source",
  "traceparent",
  "kafka_key",
  "kafka_headers",
  "raw",
] as const;

export type LongName = (typeof longNames)[number];
export type RangeName = (typeof rangeNames)[number];

/** Columns that few values are possible of; the values of a row are numbers of four bits. */
export const choices = {
  op: ["upsert", "delete"],
  schema_name: [null, "x.v1.1", "x.v2", "bluesky.v1"],
  possibly_sensitive: [null, false, true],
  kafka_timestamp_type: [null, "create", "append"],
} as const;

export const choiceNames = Object.keys(choices) as readonly (keyof typeof choices)[];

// A row is a run of 32-bit words: longs first, so that they can be read as 64 bits too.
const RANGES_AT = longNames.length * 2;
const PARTITION_AT = RANGES_AT + rangeNames.length * 2;
const HOUR_AT = PARTITION_AT + 1;
const CHOICES_AT = HOUR_AT + 1;

/** Words of a row. */
export const ROW_WORDS = (CHOICES_AT + 2) & ~1;

export const wordAt = {
  /** Index of the partition in its buffer. */
  partition: PARTITION_AT,
  /** Whole hours of event time since 1970. */
  hour: HOUR_AT,
  choices: CHOICES_AT,
} as const;

/** NULL in a long of a column that may be NULL: no count and no time is -2^63. */
export const NULL_LOW = 0;
export const NULL_HIGH = -0x8000_0000;
/** NULL in a range: its length. */
export const NULL_LENGTH = -1;

export function longAt(name: LongName): number {
  return longNames.indexOf(name) * 2;
}

/** The place of a range; its length is in the next word. Places below zero are complements. */
export function rangeAt(name: RangeName): number {
  return RANGES_AT + rangeNames.indexOf(name) * 2;
}

export function choiceShift(name: keyof typeof choices): number {
  return choiceNames.indexOf(name) * 4;
}

/** Columns that SQL computes of others. */
export const COMPUTED: ReadonlySet<string> = new Set(["landed_at", "raw_md5"]);

/** The hour of a row, for statements that write several hours; no column of files. */
export const HOUR_COLUMN = { name: "hybridge_hour", kind: "integer", nullable: false } as const;

/** Columns that the rows of a buffer have, in the order of the table's. */
export const storedColumns: readonly Pick<Column, "name" | "kind" | "nullable">[] = [
  ...columns.filter(({ name }) => !COMPUTED.has(name)),
  HOUR_COLUMN,
];
