import type { Emit } from "@hybridge/core";
import type { TableStore } from "../store-port.ts";
import type { FormerPartition } from "./ledger.ts";

/** Folders that are looked into at once. */
const LOOKS_MAX = 16;

/**
 * Sets files of a cut aside that was never finished: they are visible already, and their records
 * are read again. Only where files are moved into place (HDFS); in S3 what no load names is nothing.
 */
export async function quarantineUndone(
  table: TableStore,
  { topic, partition }: FormerPartition,
  { first, last }: { readonly first: bigint; readonly last: bigint },
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  if (!table.moves) return;
  const prefix = `${topic}-${partition}-${first}-${last}-`;
  const folders: string[] = [];
  for await (const dt of namesOf(table, "", "dt=", signal)) {
    for await (const hr of namesOf(table, dt.slice(0, -1), "hr=", signal)) folders.push(dt + hr);
  }
  for (let at = 0; at < folders.length; at += LOOKS_MAX) {
    const looks = folders.slice(at, at + LOOKS_MAX);
    await Promise.all(looks.map((folder) => setAside(table, folder, prefix, emit, signal)));
  }
}

async function setAside(
  table: TableStore,
  folder: string,
  prefix: string,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  const { names } = await table.list(folder.slice(0, -1), prefix, signal);
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const from = folder + name;
    await table.move(from, `_quarantine/${from}`, signal);
    const message = `${table.locationOf(from)} was never finished by the former version; it is set aside and its records are read again`;
    emit({ name: "landing.quarantined", level: "warn", message, fields: { path: from } });
  }
}

async function* namesOf(
  table: TableStore,
  folder: string,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let after = "";
  for (;;) {
    const { names, more } = await table.list(folder, after, signal);
    after = names.at(-1) ?? after;
    yield* names.filter((name) => name.startsWith(prefix) && name.endsWith("/"));
    if (!more) return;
  }
}
