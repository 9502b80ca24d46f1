import { columns, hiveColumns } from "@hybridge/tweet";
import type { Hive } from "./api.ts";
import { HiveSchemaError, HiveStatementError } from "./errors.ts";
import { runText } from "./run-text.ts";
import { identifier, literal } from "./sql-text.ts";

export interface PostsTableNames {
  /** Default: hybridge. */
  readonly database?: string;
  /** Default: tweets. */
  readonly table?: string;
}

/** ErrorMsg.INVALID_TABLE and DATABASE_NOT_EXISTS. */
const GONE = new Set([10001, 10072]);

/** The table as SQL names it. */
export function postsTable({ database = "hybridge", table = "tweets" }: PostsTableNames): string {
  return `${identifier(database)}.${identifier(table)}`;
}

/** Whether a statement failed because there is no such table. */
export function isTableGone(error: unknown): boolean {
  return error instanceof HiveStatementError && GONE.has(error.failure.vendorCode);
}

/**
 * Creates the external table of posts if there is none, partitioned by dt and hr, and adds columns
 * that it lacks.
 *
 * @throws HiveSchemaError when there is one that is not ours
 */
export async function createPostsTable(
  hive: Hive,
  names: PostsTableNames,
  location: string,
  signal: AbortSignal,
): Promise<void> {
  const table = postsTable(names);
  const database = identifier(names.database ?? "hybridge");
  await runText(hive, `CREATE DATABASE IF NOT EXISTS ${database}`, signal);
  // Purging off: dropping the table must never delete what was landed. Discovery off: Hive would
  // add folders by itself, also those that are not ours.
  await runText(
    hive,
    `CREATE EXTERNAL TABLE IF NOT EXISTS ${table} (\n${hiveColumns()}\n)
PARTITIONED BY (dt string COMMENT 'Date of event_time, UTC', hr string COMMENT 'Hour of event_time, UTC')
STORED AS PARQUET
LOCATION ${literal(location)}
TBLPROPERTIES ('external.table.purge'='false', 'discover.partitions'='false')`,
    signal,
  );
  await matchColumns(hive, table, signal);
}

/**
 * Adds columns that a newer version of the posts has; a column of another type is refused.
 *
 * With CASCADE: a partition has columns of its own, so that without it the new ones would be NULL in
 * files that come late into an hour that is registered. The metastore rewrites every partition for
 * it, once a version. Parquet is read by name: files that lack a column have NULL there.
 */
async function matchColumns(hive: Hive, table: string, signal: AbortSignal): Promise<void> {
  const present = new Map<string, string>();
  for (const [name, type] of await runText(hive, `DESCRIBE ${table}`, signal)) {
    if (name?.startsWith("#")) break; // What follows says again which are of the partition.
    if (name) present.set(name, type ?? "");
  }
  const definitions = hiveColumns().split("\n");
  const missing: string[] = [];
  for (const [index, { name }] of columns.entries()) {
    const definition = (definitions[index] ?? "").trim().replace(/,$/, "");
    const type = definition.split(" ")[1];
    if (!present.has(name)) missing.push(definition);
    else if (present.get(name) !== type)
      throw differs(table, `${name} is ${present.get(name)}, not ${type}`);
  }
  if (!present.has("dt") || !present.has("hr")) throw differs(table, "it has no dt and hr");
  if (missing.length === 0) return;
  const added = missing.join(", ");
  await runText(hive, `ALTER TABLE ${table} ADD COLUMNS (${added}) CASCADE`, signal);
}

function differs(table: string, what: string): HiveSchemaError {
  return new HiveSchemaError(
    `the Hive table ${table} is not one that posts can be landed into: ${what}. Was it made by ` +
      "something else? Choose another database, or drop the table (files are not deleted)",
  );
}
