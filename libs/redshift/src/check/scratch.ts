import { describeError } from "@hybridge/core";
import type { Redshift, RedshiftParameters } from "../api.ts";
import { selectObjects, wantedObjects } from "../loads/load-tables.ts";
import { quoteName, redshiftTables, type TableNames } from "../names.ts";
import type { CheckResult } from "./check.ts";

const DROP_MS = 60_000;

/** Drops what a check has made, also after an interruption. */
export async function dropScratch(
  redshift: Redshift,
  names: TableNames,
  keepsSchema: boolean,
): Promise<CheckResult> {
  const name = "drop what the check has made";
  const signal = AbortSignal.timeout(DROP_MS);
  const sqls = dropStatements(names, keepsSchema);
  try {
    await redshift.transaction(sqls, { signal });
    return { name, outcome: "passed", reason: "", remedy: "" };
  } catch (error) {
    const remedy = `let the owner run: ${sqls.join("; ")}`;
    return { name, outcome: "failed", reason: describeError(error), remedy };
  }
}

export function dropStatements(names: TableNames, keepsSchema: boolean): string[] {
  const { schema, posts, position, ranges, deletions, lock } = redshiftTables(names);
  const all = [posts, position, ranges, deletions, lock];
  const tables = all.map((table) => `DROP TABLE IF EXISTS ${table}`);
  return keepsSchema ? tables : [`DROP SCHEMA IF EXISTS ${schema} CASCADE`];
}

export async function schemaExists(
  redshift: Redshift,
  names: TableNames,
  signal: AbortSignal,
): Promise<boolean> {
  const rows = await readTexts(redshift, selectObjects(names), {}, signal);
  const [schema] = wantedObjects(names);
  return rows.some(([kind, name]) => kind === "schema" && name === schema?.name);
}

/** The rows of a small result as text. */
export async function readTexts(
  redshift: Redshift,
  sql: string,
  parameters: RedshiftParameters,
  signal: AbortSignal,
): Promise<string[][]> {
  const rows: string[][] = [];
  const { batches } = await redshift.execute(sql, { signal, parameters });
  for await (const { rowCount, columns } of batches) {
    for (let row = 0; row < rowCount; row += 1) {
      rows.push(columns.map(({ values }) => String(values[row])));
    }
  }
  return rows;
}

/** SQL that counts the posts and deletions that are loaded. */
export function countsSql(names: TableNames): string {
  const { posts, deletions } = redshiftTables(names);
  return `SELECT (SELECT COUNT(*) FROM ${posts}) AS ${quoteName("posts")}, (SELECT COUNT(*) FROM ${deletions}) AS ${quoteName("deletions")}`;
}

/** SQL that reads back which post each row is. */
export function checksumsSql(names: TableNames): string {
  return `SELECT "id", "raw_md5" FROM ${redshiftTables(names).posts} WHERE "kafka_topic" = :topic ORDER BY "kafka_offset"`;
}

/** SQL that no warehouse finishes soon: a product of the table with itself. */
export function endlessSql(names: TableNames): string {
  const { posts } = redshiftTables(names);
  const tables = Array.from({ length: 8 }, (_, index) => `${posts} AS "t${index}"`).join(", ");
  const sum = Array.from({ length: 8 }, (_, index) => `"t${index}"."kafka_offset"`).join(" + ");
  return `SELECT COUNT(*) FROM ${tables} WHERE MOD(${sum}, 7) = 1`;
}
