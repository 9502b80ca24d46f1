import { quoteName, quoteText, redshiftTables, tableNames, type TableNames } from "../names.ts";
import {
  definition,
  definitions,
  postColumns,
  TOPIC_ID,
  type TableColumn,
} from "./column-types.ts";

const column = (name: string, type: string, nullable = false): TableColumn => ({
  name,
  type,
  nullable,
});

/** What a deletion keeps of its row. */
export const DELETION_COLUMNS: readonly TableColumn[] = [
  column("kafka_topic", "VARCHAR(249)"),
  column("kafka_partition", "INTEGER"),
  column("kafka_offset", "BIGINT"),
  column("id", "VARCHAR(512)"),
  column("kafka_timestamp", "TIMESTAMP", true),
  column("event_time", "TIMESTAMP"),
  column("raw_md5", "VARCHAR(32)"),
  TOPIC_ID,
];

/** Ranges of offsets whose records are rows, dead letters or gaps; few, as neighbours are joined. */
export const RANGE_COLUMNS: readonly TableColumn[] = [
  column("kafka_topic", "VARCHAR(249)"),
  column(TOPIC_ID.name, TOPIC_ID.type),
  column("kafka_partition", "INTEGER"),
  column("first_offset", "BIGINT"),
  column("end_offset", "BIGINT"),
  column("row_count", "BIGINT"),
  column("dead_letters", "BIGINT"),
];

/** Its one row says up to which commit of which log everything is loaded. */
const POSITION_COLUMNS: readonly TableColumn[] = [
  column("log", "VARCHAR(64)"),
  column("number", "BIGINT"),
  column("loaded_at", "TIMESTAMP"),
  column("swept_at", "TIMESTAMP"),
  column("unswept", "BIGINT"),
];

/** A schema or table that loads need, and the statement that makes it. */
export interface WantedObject {
  readonly kind: "schema" | "table";
  /** Not quoted. */
  readonly name: string;
  readonly sql: string;
}

/**
 * No key is declared: Redshift enforces none and trusts what is declared, and a topic that was made
 * anew has the coordinates of the former one again. Posts lie sorted by event time, which queries
 * name, and spread by offset.
 */
export function wantedObjects(of: TableNames): readonly WantedObject[] {
  const { schema, posts, ranges, deletions, position, lock } = redshiftTables(of);
  const names = tableNames(of);
  const table = (
    name: string,
    quoted: string,
    all: readonly TableColumn[],
    attributes: string,
  ): WantedObject => ({
    kind: "table",
    name,
    sql: `CREATE TABLE IF NOT EXISTS ${quoted} (\n${definitions(all)}\n) ${attributes}`,
  });
  const spread = `DISTSTYLE KEY DISTKEY ("kafka_offset") COMPOUND SORTKEY ("event_time")`;
  return [
    { kind: "schema", name: names.schema, sql: `CREATE SCHEMA IF NOT EXISTS ${schema}` },
    table(names.posts, posts, postColumns(), spread),
    table(names.deletions, deletions, DELETION_COLUMNS, spread),
    table(names.ranges, ranges, RANGE_COLUMNS, "DISTSTYLE ALL"),
    table(names.position, position, POSITION_COLUMNS, "DISTSTYLE ALL"),
    table(names.lock, lock, [column("as_expected", "SMALLINT")], "DISTSTYLE ALL"),
  ];
}

/**
 * Which of the objects there are, and whether the former version's ledger is: rows of `kind` and
 * `name`. A user without a right on a schema does not see it in these views (AWS: SVV_ALL_SCHEMAS,
 * SVV_ALL_TABLES).
 */
export function selectObjects(of: TableNames): string {
  const { schema, ...tables } = tableNames(of);
  const wanted = Object.values(tables).map(quoteText).join(", ");
  return `SELECT 'schema' AS "kind", "schema_name" AS "name" FROM svv_all_schemas
WHERE "database_name" = CURRENT_DATABASE() AND "schema_name" = ${quoteText(schema)}
UNION ALL
SELECT 'table' AS "kind", "table_name" AS "name" FROM svv_all_tables
WHERE "database_name" = CURRENT_DATABASE() AND "schema_name" = ${quoteText(schema)} AND "table_name" IN (${wanted})`;
}

/** A table to which columns may have come since it was made. */
export interface GrowingTable {
  /** Not quoted. */
  readonly name: string;
  /** Asks for its columns and for no row. */
  readonly describe: string;
  /** Without them it is not ours: no version made it so. */
  readonly first: readonly string[];
  /** The statements that add what `found` lacks; rows that are there have NULL. */
  readonly add: (found: readonly string[]) => readonly string[];
}

/** Redshift adds columns at the end, one a statement, and NOT NULL only with a default. */
export function growingTables(of: TableNames): readonly GrowingTable[] {
  const names = tableNames(of);
  const { posts, deletions } = redshiftTables(of);
  const growing = (name: string, quoted: string, all: readonly TableColumn[], first: string[]) => ({
    name,
    describe: `SELECT * FROM ${quoted} WHERE 1 = 0`,
    first,
    add: (found: readonly string[]) =>
      all
        .filter((each) => !found.includes(each.name))
        .map((each) => {
          const added = definition({ ...each, nullable: true }).trim();
          return `ALTER TABLE ${quoted} ADD COLUMN ${added}`;
        }),
  });
  const coordinates = ["kafka_topic", "kafka_partition", "kafka_offset", "id"];
  return [
    growing(names.posts, posts, postColumns(), [...coordinates, "op", "event_time"]),
    growing(names.deletions, deletions, DELETION_COLUMNS, coordinates),
  ];
}

/** Where the posts stand; the age of the last sweep is the engine's own time, in seconds. */
export function selectPosition(of: TableNames): string {
  return `SELECT "log", "number", DATEDIFF(second, "swept_at", GETDATE()) AS "age", "unswept" FROM ${redshiftTables(of).position}`;
}

/** The last offsets that the former version had loaded. */
export function selectFormerPositions(of: TableNames): string {
  return `SELECT "kafka_topic", "kafka_partition", MAX("last_offset") AS "last_offset" FROM ${redshiftTables(of).loads}
GROUP BY "kafka_topic", "kafka_partition"`;
}

/** Names with commas between them. */
export function list(names: readonly string[], of = ""): string {
  return names.map((name) => of + quoteName(name)).join(", ");
}
