import { columns, type Column } from "@hybridge/tweet";
import type { Engine } from "./tokens.ts";

/**
 * What of a row both sides must hold alike: every typed column but its coordinates, which the
 * clusters give (its partition and source offset are compared beside it), and `landed_at`, which
 * each side gives. `raw` is in files only, and `raw_md5` stands for it.
 */
const OWN_TO_A_SIDE = [
  "kafka_topic",
  "kafka_partition",
  "kafka_offset",
  "kafka_topic_id",
  "landed_at",
];

export const comparedColumns: readonly Column[] = columns.filter(
  (each: Column) => each.filesOnly !== true && !OWN_TO_A_SIDE.includes(each.name),
);

/** Of a deletion Redshift keeps these, in a table of its own. */
const KEPT_OF_DELETION = ["id", "kafka_timestamp", "event_time", "raw_md5"];
const deletionColumns = comparedColumns.filter(({ name }) => KEPT_OF_DELETION.includes(name));

/**
 * SQL for the text of a row whose MD5 is its digest; the same characters in both dialects. Every
 * field has a form that can hold no comma and none has the form of NULL, so that no two rows have
 * one text: MD5 of UTF-8 bytes for text (whatever its characters, and far below the 65,535 bytes
 * that a VARCHAR of Redshift may have), digits for numbers, microseconds for timestamps, which
 * have no zone in either engine and are therefore formatted without one.
 */
export function postText(engine: Engine): string {
  return joined(
    engine,
    comparedColumns.map((each) => fieldOf(engine, each)),
  );
}

/** As postText, of what is kept of a deletion. */
export function deletionText(engine: Engine): string {
  return joined(
    engine,
    deletionColumns.map((each) => fieldOf(engine, each)),
  );
}

/** SQL for the text of a row of Hive's table, where posts and deletions stand together. */
export function hiveRowText(): string {
  return `CASE WHEN ${quoteName("hive", "op")} = 'delete' THEN ${deletionText("hive")} ELSE ${postText("hive")} END`;
}

/**
 * SQL for the digest of a row: the first 60 bits of MD5(source offset ":" text) as an exact number
 * whose sum over 10^18 rows still fits. STRTOL takes 15 digits without overflow, CONV too.
 */
export function digestOf(engine: Engine, offset: string, text: string): string {
  return engine === "hive"
    ? `CAST(CONV(SUBSTR(MD5(CONCAT(CAST(${offset} AS STRING), ':', ${text})), 1, 15), 16, 10) AS DECIMAL(38,0))`
    : `CAST(STRTOL(SUBSTRING(MD5(CAST(${offset} AS VARCHAR(20)) || ':' || ${text}), 1, 15), 16) AS DECIMAL(38,0))`;
}

export function quoteName(engine: Engine, name: string): string {
  return engine === "hive" ? `\`${name}\`` : `"${name}"`;
}

/** A time in ms since 1970 as both dialects write a timestamp, in UTC. */
export function timestampText(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 23);
}

function joined(engine: Engine, fields: readonly string[]): string {
  return engine === "hive" ? `CONCAT_WS(',', ${fields.join(", ")})` : fields.join(" || ',' || ");
}

function fieldOf(engine: Engine, { kind, name }: Column): string {
  const column = quoteName(engine, name);
  switch (kind) {
    case "text":
    case "binary":
      return `COALESCE(MD5(${column}), '-')`;
    case "integer":
    case "long":
      return `COALESCE(CAST(${column} AS ${engine === "hive" ? "STRING" : "VARCHAR(20)"}), '-')`;
    case "boolean":
      return `CASE WHEN ${column} THEN 't' WHEN NOT ${column} THEN 'f' ELSE '-' END`;
    case "timestamp":
      return `COALESCE(${engine === "hive" ? hiveTimestamp(column) : `TO_CHAR(${column}, 'YYYY-MM-DD HH24:MI:SS.US')`}, '-')`;
  }
}

/**
 * Hive writes a timestamp without trailing zeros. Its date_format goes through the server's time
 * zone, in which an hour of the year may not exist; a cast does not.
 */
function hiveTimestamp(column: string): string {
  const text = `CAST(${column} AS STRING)`;
  return `RPAD(CONCAT(${text}, CASE WHEN INSTR(${text}, '.') = 0 THEN '.' ELSE '' END), 26, '0')`;
}
