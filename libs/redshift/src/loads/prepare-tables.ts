import { retryOf } from "@hybridge/core";
import type { Redshift } from "../api.ts";
import { RedshiftSchemaError } from "../errors.ts";
import { tableNames, type TableNames } from "../names.ts";
import { growingTables, selectObjects, wantedObjects, type WantedObject } from "./load-tables.ts";
import { readRows } from "./read-rows.ts";

/**
 * Creates what is missing, tables and columns; whoever may only use what is there needs no right to
 * create.
 *
 * @throws RedshiftSchemaError when something is missing and cannot be made, or is not ours
 */
export async function prepareTables(
  redshift: Redshift,
  names: TableNames,
  signal: AbortSignal,
): Promise<void> {
  const missing = await missingObjects(redshift, names, signal);
  await make(redshift, missing, signal, async (error) => {
    const left = await missingObjects(redshift, names, signal);
    if (left.length > 0) throw cannotMake(redshift, names, left, error);
  });
  for (const table of growingTables(names)) {
    const describe = async () =>
      (await redshift.execute(table.describe, { signal })).columns.map(({ name }) => name);
    const found = await describe();
    const foreign = table.first.filter((name) => !found.includes(name));
    if (foreign.length > 0) {
      throw new RedshiftSchemaError(
        `${redshift.address}: table ${names.schema}.${table.name} lacks the columns ` +
          `${foreign.join(", ")}, which every version has: was it made by something else? ` +
          "Load into another table (HYBRIDGE_REDSHIFT_TABLE)",
      );
    }
    const added = (columns: readonly string[]) =>
      table.add(columns).map((sql) => ({ kind: "column" as const, name: table.name, sql }));
    await make(redshift, added(found), signal, async (error) => {
      const left = added(await describe());
      if (left.length > 0) throw cannotMake(redshift, names, left, error);
    });
  }
}

/** Whether the former version's ledger is there. */
export async function hasFormerLoads(
  redshift: Redshift,
  names: TableNames,
  signal: AbortSignal,
): Promise<boolean> {
  return (await presentObjects(redshift, names, signal)).has(`table ${tableNames(names).loads}`);
}

type Wanted = Omit<WantedObject, "kind"> & { readonly kind: "schema" | "table" | "column" };

/** Another process may be faster, which fails ours: `failed` looks again. */
async function make(
  redshift: Redshift,
  wanted: readonly Wanted[],
  signal: AbortSignal,
  failed: (error: unknown) => Promise<void>,
): Promise<void> {
  if (wanted.length === 0) return;
  const sqls = wanted.map(({ sql }) => sql);
  await redshift.transaction(sqls, { signal }).catch(failed);
}

async function presentObjects(
  redshift: Redshift,
  names: TableNames,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const rows = await readRows(redshift, selectObjects(names), signal);
  return new Set(rows.map(([kind, name]) => `${String(kind)} ${String(name)}`));
}

async function missingObjects(
  redshift: Redshift,
  names: TableNames,
  signal: AbortSignal,
): Promise<readonly WantedObject[]> {
  const present = await presentObjects(redshift, names, signal);
  return wantedObjects(names).filter(({ kind, name }) => !present.has(`${kind} ${name}`));
}

function cannotMake(
  redshift: Redshift,
  { schema }: TableNames,
  left: readonly Wanted[],
  cause: unknown,
): unknown {
  if (retryOf(cause) !== "never") return cause;
  const list = left.map(({ kind, name }) =>
    kind === "column" ? `columns of ${name}` : `${kind} ${name}`,
  );
  return new RedshiftSchemaError(
    `${redshift.address}: missing, or not to be seen by this user, and not to be made by it: ` +
      `${[...new Set(list)].join(", ")}. Grant USAGE on the schema ${schema} and the rights on its ` +
      "tables, or CREATE on it (on the database where the schema is missing), or let the owner run: " +
      `${left.map(({ sql }) => sql.replace(/\s+/g, " ")).join("; ")}. docs/redshift.md has both`,
    { cause },
  );
}
