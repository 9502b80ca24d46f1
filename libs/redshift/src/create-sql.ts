import { redshiftColumnNames, redshiftColumns } from "@hybridge/tweet";
import { quoteName, quoteText, redshiftTables, tableNames, type TableNames } from "./names.ts";

export const KEY = ["kafka_topic", "kafka_partition", "kafka_offset"] as const;

/** Columns of a segment in the ledger, and in the temporary table of a load. */
export const SEGMENT_COLUMNS = [
  ["kafka_topic", "VARCHAR(249)"],
  ["kafka_partition", "INTEGER"],
  ["first_offset", "BIGINT"],
  ["last_offset", "BIGINT"],
  ["row_count", "BIGINT"],
  ["dead_letters", "BIGINT"],
  ["decided_at", "TIMESTAMP"],
] as const;

/** Columns that a deletion keeps of its row. */
export const DELETION_COLUMNS = [...KEY, "id", "kafka_timestamp", "event_time", "raw_md5"] as const;

/** A schema or table that loads need, and the statement that makes it. */
export interface WantedObject {
  readonly kind: "schema" | "table";
  /** Not quoted. */
  readonly name: string;
  readonly sql: string;
}

/**
 * Keys are declared for the planner and for readers: Redshift enforces none of them. Posts lie
 * sorted by event time, which queries name, and spread by offset, which loads join on.
 */
export function wantedObjects(of: TableNames): readonly WantedObject[] {
  const { schema, posts, loads, deletions, lock } = redshiftTables(of);
  const names = tableNames(of);
  const table = (name: string, sql: string): WantedObject => ({ kind: "table", name, sql });
  return [
    { kind: "schema", name: names.schema, sql: `CREATE SCHEMA IF NOT EXISTS ${schema}` },
    table(
      names.posts,
      `CREATE TABLE IF NOT EXISTS ${posts} (
${redshiftColumns({ raw: false })},
  PRIMARY KEY (${list(KEY)})
) DISTSTYLE KEY DISTKEY (${quoteName("kafka_offset")}) COMPOUND SORTKEY (${quoteName("event_time")})`,
    ),
    table(
      names.loads,
      `CREATE TABLE IF NOT EXISTS ${loads} (
${segmentColumns()},
  "loaded_at" TIMESTAMP NOT NULL,
  PRIMARY KEY ("kafka_topic", "kafka_partition", "first_offset")
) DISTSTYLE ALL COMPOUND SORTKEY ("kafka_topic", "kafka_partition", "first_offset")`,
    ),
    table(
      names.deletions,
      `CREATE TABLE IF NOT EXISTS ${deletions} (
  "kafka_topic" VARCHAR(249) NOT NULL,
  "kafka_partition" INTEGER NOT NULL,
  "kafka_offset" BIGINT NOT NULL,
  "id" VARCHAR(512) NOT NULL,
  "kafka_timestamp" TIMESTAMP,
  "event_time" TIMESTAMP NOT NULL,
  "raw_md5" VARCHAR(32) NOT NULL,
  PRIMARY KEY (${list(KEY)})
) DISTSTYLE KEY DISTKEY ("kafka_offset") COMPOUND SORTKEY ("event_time")`,
    ),
    table(
      names.lock,
      `CREATE TABLE IF NOT EXISTS ${lock} ("as_expected" SMALLINT NOT NULL) DISTSTYLE ALL`,
    ),
  ];
}

/** Column definitions of the ledger's part that a load fills, one a line. */
export function segmentColumns(): string {
  return SEGMENT_COLUMNS.map(([name, type]) => `  "${name}" ${type} NOT NULL`).join(",\n");
}

/**
 * Which of the objects there are: rows of `kind` and `name`. A user without a right on a schema does
 * not see it in these views (AWS: SVV_ALL_SCHEMAS, SVV_ALL_TABLES).
 */
export function selectObjects(of: TableNames): string {
  const { schema, posts, loads, deletions, lock } = tableNames(of);
  const tables = [posts, loads, deletions, lock].map(quoteText).join(", ");
  return `SELECT 'schema' AS "kind", "schema_name" AS "name" FROM svv_all_schemas
WHERE "database_name" = CURRENT_DATABASE() AND "schema_name" = ${quoteText(schema)}
UNION ALL
SELECT 'table' AS "kind", "table_name" AS "name" FROM svv_all_tables
WHERE "database_name" = CURRENT_DATABASE() AND "schema_name" = ${quoteText(schema)} AND "table_name" IN (${tables})`;
}

/** Asks for the columns of the table of posts and for no row. */
export function describePosts(of: TableNames): string {
  return `SELECT * FROM ${redshiftTables(of).posts} WHERE 1 = 0`;
}

/** The same for the table of deletions. */
export function describeDeletions(of: TableNames): string {
  return `SELECT * FROM ${redshiftTables(of).deletions} WHERE 1 = 0`;
}

/** A table of deletions of an earlier version knows no timestamps of records. */
export function addDeletionTimestamp(of: TableNames): string {
  return `ALTER TABLE ${redshiftTables(of).deletions} ADD COLUMN "kafka_timestamp" TIMESTAMP`;
}

/** Columns that rows of this version need and `found` lacks. */
export function missingColumns(found: readonly string[]): readonly string[] {
  return redshiftColumnNames().filter((name) => !found.includes(name));
}

/** Names with commas between them. */
export function list(names: readonly string[]): string {
  return names.map(quoteName).join(", ");
}
