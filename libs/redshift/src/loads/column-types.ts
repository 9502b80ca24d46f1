import { invariant } from "@hybridge/core";
import { columns, type Column } from "@hybridge/tweet";

/** A column of a table that loads write. */
export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
}

/** The longest VARCHAR, in bytes (AWS: "Character types"). */
const VARCHAR_MAX = 65_535;

const TYPES: Readonly<Record<string, string>> = {
  integer: "INTEGER",
  long: "BIGINT",
  timestamp: "TIMESTAMP",
  boolean: "BOOLEAN",
};
/** The longest that COPY fills; the original JSON may exceed every VARCHAR. */
const VARBYTE = "VARBYTE(1024000)";

/**
 * The column of a landed file as COPY fills it; undefined for a name that this version does not
 * know.
 */
export function stagedColumn(name: string): TableColumn | undefined {
  const found = columns.find((each) => each.name === name);
  return found && typed(found);
}

/** The columns of the table of posts: all that Redshift keeps, in order. */
export function postColumns(): readonly TableColumn[] {
  return columns.filter((each: Column) => each.filesOnly !== true).map(typed);
}

/** Rows that were landed before the log, and their files, have none. */
export const TOPIC_ID: TableColumn = topicId();

function topicId(): TableColumn {
  const found = stagedColumn("kafka_topic_id");
  invariant(found !== undefined, "the table of posts has no kafka_topic_id");
  return found;
}

/** Definitions of columns, one a line, quoted. */
export function definitions(of: readonly TableColumn[]): string {
  return of.map(definition).join(",\n");
}

export function definition({ name, type, nullable }: TableColumn): string {
  return `  "${name}" ${type}${nullable ? "" : " NOT NULL"}`;
}

function typed(each: Column): TableColumn {
  return { name: each.name, type: typeOf(each), nullable: each.nullable };
}

function typeOf(each: Column): string {
  if (each.kind !== "text") return TYPES[each.kind] ?? VARBYTE;
  if (each.filesOnly === true) return VARBYTE;
  return `VARCHAR(${each.bytesMax ?? VARCHAR_MAX})`;
}
