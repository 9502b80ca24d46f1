import { columns, quotableTexts, type Column } from "@hybridge/tweet";
import { HOUR_COLUMN } from "./row-layout.ts";

const table: readonly Column[] = columns;

/** What files of a flush hold. */
export type FilePart =
  /** Every column. */
  | "whole"
  /** What Redshift keeps. */
  | "typed"
  /** What files alone have, and the coordinates to join it by. */
  | "raw";

const COORDINATES: readonly string[] = ["kafka_topic", "kafka_partition", "kafka_offset"];

export function columnsOf(part: FilePart): readonly Column[] {
  if (part === "whole") return table;
  if (part === "typed") return table.filter(({ filesOnly }) => filesOnly !== true);
  return table.filter(({ name, filesOnly }) => filesOnly === true || COORDINATES.includes(name));
}

/** SQL that makes the columns of a part from rows of a buffer, and their hour behind them if asked. */
export function selectRows(
  part: FilePart,
  rows: number,
  landedAtMs: number,
  withHour: boolean,
): string {
  const selected = columnsOf(part).map((column) => {
    return `${valueOf(column, landedAtMs)} AS "${column.name}"`;
  });
  if (withHour) selected.push(HOUR_COLUMN.name);
  return `SELECT ${selected.join(", ")} FROM hybridge_rows(${rows})`;
}

function valueOf({ name, kind }: Column, landedAtMs: number): string {
  if (name === "landed_at") return `make_timestamp(${Math.trunc(landedAtMs) * 1_000})`;
  if (name === "raw_md5") return "md5(coalesce(raw, ''))";
  // Wall clock in UTC without a zone: what Hive and Redshift mean by TIMESTAMP.
  if (kind === "timestamp") return `make_timestamp("${name}" * 1000)`;
  if (!quotableTexts.has(name)) return `"${name}"`;
  // Text that begins with a quote is a string of JSON (see ScannedPost).
  return `CASE WHEN starts_with("${name}", '"') THEN json_extract_string("${name}", '$') ELSE "${name}" END`;
}
