import type { EngineSession } from "../engine/engine.ts";
import type { CopyCommand } from "../sql/copy-command.ts";
import { SqlRefused } from "../sql/refused.ts";
import { quoteLiteral, quoteName } from "../sql/tokens.ts";

/** A column that COPY fills, in the order in which the file gives it. */
export interface TargetColumn {
  readonly name: string;
  /** PostgreSQL's type name: int8, varchar, timestamp ... */
  readonly type: string;
  readonly bytesMax: number | undefined;
  /** Digits behind the point of a DECIMAL. */
  readonly scale: number | undefined;
}

export interface TargetTable {
  /** Quoted, with its schema where one was given. */
  readonly sqlName: string;
  readonly name: string;
  readonly columns: readonly TargetColumn[];
}

/** The table of a COPY and the columns that it loads. @throws SqlRefused when there is none */
export async function describeTarget(
  engine: EngineSession,
  copy: CopyCommand,
): Promise<TargetTable> {
  const sqlName =
    copy.schema === undefined
      ? quoteName(copy.table)
      : `${quoteName(copy.schema)}.${quoteName(copy.table)}`;
  const { records } = await engine.run(
    `SELECT a.attname, t.typname, a.atttypmod::int8, a.attidentity <> '' FROM pg_attribute a
     JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = to_regclass(${quoteLiteral(sqlName)}) AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum`,
  );
  if (records.length === 0)
    throw new SqlRefused(`Cannot COPY into nonexistent table ${copy.table}`);
  const all = records.map((record) => columnOf(record));
  return { sqlName, name: copy.table, columns: selected(copy, all) };
}

function columnOf(record: string): TargetColumn & { readonly identity: boolean } {
  const [name, type, modifier, identity] = JSON.parse(record) as {
    stringValue: string;
    longValue: number;
    booleanValue: boolean;
  }[];
  const size = (modifier?.longValue ?? -1) - 4;
  const bytes = type?.stringValue === "varchar" ? size : -1;
  return {
    name: name?.stringValue ?? "",
    type: type?.stringValue ?? "",
    bytesMax: bytes > 0 ? bytes : undefined,
    scale: type?.stringValue === "numeric" && size > 0 ? size & 0x7ff : undefined,
    identity: identity?.booleanValue === true,
  };
}

function selected(
  copy: CopyCommand,
  all: readonly (TargetColumn & { readonly identity: boolean })[],
): TargetColumn[] {
  // Identity columns are filled by the database unless they are named.
  if (copy.columns.length === 0) return all.filter((column) => !column.identity);
  return copy.columns.map((name) => {
    const found = all.find((column) => column.name === name);
    if (!found) throw new SqlRefused(`column "${name}" of relation "${copy.table}" does not exist`);
    return found;
  });
}
