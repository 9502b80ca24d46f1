import {
  CatalogMovedError,
  LogForeignError,
  type CatalogPosition,
  type Following,
} from "@hybridge/landing";
import type { Redshift } from "../api.ts";
import type { TableNames } from "../names.ts";
import { selectPosition } from "./load-tables.ts";
import { readRows } from "./read-rows.ts";

/** Where a table stands, as far as this process knows. */
export interface TablePosition {
  /** For people. */
  readonly table: string;
  /** What is stored; asked for when it is not known. Undefined: nothing has been loaded yet. */
  stored(signal: AbortSignal): Promise<CatalogPosition | undefined>;
  /** Asks for it. */
  ask(signal: AbortSignal): Promise<CatalogPosition | undefined>;
  /** A load was sent: until it is known what became of it, nothing is. */
  forget(): void;
  set(position: CatalogPosition | undefined): void;
  /**
   * After which commit a following goes on. Commits up to `seen` have nothing to load, so that what
   * is stored may stay behind.
   *
   * @throws CatalogMovedError when the table stands elsewhere
   * @throws LogForeignError when it shows another log
   */
  beginOf(following: Following, seen: number, signal: AbortSignal): Promise<number>;
}

/** @param heard told how long ago the last sweep was, in seconds */
export function tablePosition(
  redshift: Redshift,
  names: TableNames,
  heard: (ageS: number) => void,
): TablePosition {
  const table = `${redshift.address}: ${names.schema}.${names.table}`;
  let known: { readonly position: CatalogPosition | undefined } | undefined;

  async function ask(signal: AbortSignal): Promise<CatalogPosition | undefined> {
    const [row] = await readRows(redshift, selectPosition(names), signal);
    known = { position: undefined };
    if (row !== undefined) {
      const [log, number, ageS] = row;
      heard(Number(ageS));
      known = { position: { log: String(log), number: Number(number) } };
    }
    return known.position;
  }

  async function stored(signal: AbortSignal): Promise<CatalogPosition | undefined> {
    return known === undefined ? await ask(signal) : known.position;
  }

  return {
    table,
    ask,
    stored,
    forget() {
      known = undefined;
    },
    set(position) {
      known = { position };
    },
    async beginOf({ from }, seen, signal) {
      const at = await stored(signal);
      if (at !== undefined && at.log !== from.log) throw anotherLog(table, at.log, from.log);
      const number = at?.number ?? 0;
      const after = Math.max(from.number, 0);
      if (after >= number && after <= Math.max(number, seen)) return after;
      throw new CatalogMovedError(`${table} stands at commit ${number}, not at ${after}`);
    },
  };
}

function anotherLog(table: string, loaded: string, given: string): LogForeignError {
  return new LogForeignError(
    `${table} was loaded from the landing log ${loaded}, and this is ${given}: the folder was wiped, ` +
      "restored or changed for another. Load into another table (HYBRIDGE_REDSHIFT_TABLE), or bring " +
      "back the folder",
  );
}
