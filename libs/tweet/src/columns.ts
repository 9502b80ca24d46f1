/** One column of the table of posts, in each dialect. */
export interface Column {
  readonly name: string;
  /** What a row holds: `integer` number, `long` bigint, `timestamp` number of ms since 1970 UTC, `binary` bytes. */
  readonly kind: "text" | "integer" | "long" | "timestamp" | "boolean" | "binary";
  readonly nullable: boolean;
  /** Text only: the most bytes of UTF-8 that a value may have. Redshift counts bytes, not characters. */
  readonly bytesMax?: number;
  /** True: landed files have it, the Redshift table has not. */
  readonly filesOnly?: boolean;
  readonly doc: string;
}

/** The longest VARCHAR of Redshift, in bytes (AWS: "Character types"). */
const REDSHIFT_VARCHAR_MAX = 65_535;

/**
 * The table of posts: the one place from which the schemas of Hive, Redshift and the landed files
 * derive. The order is that of the files, because COPY from Parquet matches columns by position.
 * Those that only files have stay last, so that a table without them is a prefix of a file: with
 * topic, partition and offset they hold all of the Kafka record. New columns come before them.
 */
export const columns = [
  column("kafka_topic", "text", "Topic that the side reads from.", { required: true, bytes: 249 }),
  column("kafka_partition", "integer", "Partition of that topic.", { required: true }),
  column("kafka_offset", "long", "Offset in that partition.", { required: true }),
  column("kafka_timestamp", "timestamp", "Timestamp of the record.", { required: true }),
  column("id", "text", "Id of the post, the record's key.", { required: true, bytes: 512 }),
  column("op", "text", "upsert or delete.", { required: true, bytes: 16 }),
  column(
    "event_time",
    "timestamp",
    "When it happened: created_at, the time of a deletion, or else kafka_timestamp. Decides dt and hr.",
    { required: true },
  ),
  column("created_at", "timestamp", "When the author posted, as the source says.", {}),
  column("source", "text", "x, bluesky or replay.", { bytes: 64 }),
  column("schema_name", "text", "Form of the raw JSON: x.v1.1, x.v2 or bluesky.v1.", { bytes: 64 }),
  column("author_id", "text", "Id of the author.", { bytes: 256 }),
  column("author_handle", "text", "Name that mentions use, without @.", { bytes: 512 }),
  column("author_name", "text", "Display name.", { bytes: 2048 }),
  column("author_followers", "long", "Followers of the author when it was posted.", {}),
  column("text", "text", "What was said; cut at a character where it exceeds the type.", {
    bytes: REDSHIFT_VARCHAR_MAX,
  }),
  column("lang", "text", "Language tag (BCP 47) as the source gives it.", { bytes: 64 }),
  column("hashtags", "text", "JSON array of hashtags without #; [] when there are none.", {
    bytes: REDSHIFT_VARCHAR_MAX,
  }),
  column("reply_to_id", "text", "Id of the post that this one answers.", { bytes: 512 }),
  column("repost_of_id", "text", "Id of the post that this one repeats.", { bytes: 512 }),
  column("quote_of_id", "text", "Id of the post that this one quotes.", { bytes: 512 }),
  column("repost_count", "long", "Reposts at that time.", {}),
  column("reply_count", "long", "Replies at that time.", {}),
  column("like_count", "long", "Likes at that time.", {}),
  column("quote_count", "long", "Quotes at that time.", {}),
  column("possibly_sensitive", "boolean", "The source's own flag.", {}),
  column("traceparent", "text", "W3C trace context of the record.", { bytes: 128 }),
  column("landed_at", "timestamp", "When the segment of the row was cut.", { required: true }),
  column("raw_md5", "text", "MD5 of the original bytes, 32 hex digits.", {
    required: true,
    bytes: 32,
  }),
  column("kafka_topic_id", "text", "Id of the topic: another one of the same name has another.", {
    bytes: 300,
  }),
  column("kafka_timestamp_ms", "long", "The record's own timestamp, whatever it is, in ms.", {
    required: true,
    filesOnly: true,
  }),
  column("kafka_timestamp_type", "text", "create or append, where the reader knows.", {
    filesOnly: true,
  }),
  column("kafka_key", "binary", "The record's key.", { filesOnly: true }),
  column(
    "kafka_headers",
    "text",
    "JSON array of [name, value] in their order; a value is text, null or {base64}.",
    { required: true, filesOnly: true },
  ),
  column("raw", "text", "The source's JSON, byte for byte; NULL when the record has no value.", {
    filesOnly: true,
  }),
] as const satisfies readonly Column[];

const HIVE = {
  text: "string",
  integer: "int",
  long: "bigint",
  timestamp: "timestamp",
  boolean: "boolean",
  binary: "binary",
};

const REDSHIFT = {
  integer: "INTEGER",
  long: "BIGINT",
  timestamp: "TIMESTAMP",
  boolean: "BOOLEAN",
  binary: "VARBYTE(1024000)",
};

/** Column definitions for Hive's CREATE TABLE, one a line, quoted, with comments; dt and hr are not among them. */
export function hiveColumns(): string {
  return listOf(columns, ({ name, kind, doc }) => {
    return `\`${name}\` ${HIVE[kind]} COMMENT '${doc.replaceAll("'", "\\'")}'`;
  });
}

/**
 * Column definitions for Redshift's CREATE TABLE, one a line, quoted. With `raw`, for a staging table that
 * COPY fills from landed files: VARBYTE, because raw JSON may exceed every VARCHAR.
 */
export function redshiftColumns(options: { readonly raw: boolean }): string {
  const wanted = columns.filter((each) => options.raw || !isFilesOnly(each));
  return listOf(wanted, (each) => {
    return `"${each.name}" ${redshiftType(each)}${each.nullable ? "" : " NOT NULL"}`;
  });
}

/** Names of the columns of the Redshift table, in order: all but those that only files have. */
export function redshiftColumnNames(): readonly string[] {
  return columns.filter((each) => !isFilesOnly(each)).map(({ name }) => name);
}

function redshiftType(each: Column): string {
  if (each.kind !== "text") return REDSHIFT[each.kind];
  if (isFilesOnly(each)) return "VARBYTE(1024000)";
  return `VARCHAR(${each.bytesMax ?? REDSHIFT_VARCHAR_MAX})`;
}

function isFilesOnly(each: Column): boolean {
  return each.filesOnly === true;
}

function listOf(list: readonly Column[], line: (each: Column) => string): string {
  return list.map((each) => `  ${line(each)}`).join(",\n");
}

function column<const N extends string, const K extends Column["kind"]>(
  name: N,
  kind: K,
  doc: string,
  rest: { readonly required?: boolean; readonly bytes?: number; readonly filesOnly?: boolean },
) {
  return {
    name,
    kind,
    nullable: rest.required !== true,
    doc,
    ...(rest.bytes === undefined ? {} : { bytesMax: rest.bytes }),
    ...(rest.filesOnly === undefined ? {} : { filesOnly: rest.filesOnly }),
  };
}
