import { InvariantError } from "@hybridge/core";
import { LedgerCorruptError, LedgerTakenError } from "../errors.ts";
import type { TableStore } from "../store-port.ts";
import {
  BEGIN,
  decodeEntry,
  encodeTaken,
  lastName,
  ledgerFolder,
  padded,
  type FormerEntry,
  type FormerPartition,
} from "./ledger.ts";

/** A ledger that no process of the former version can write on. */
export interface SealedLedger {
  /** Everything below is finished, and nothing from here on will be. */
  readonly end: bigint;
  /** A cut that was decided and never will be finished. */
  readonly undone: { readonly first: bigint; readonly last: bigint } | undefined;
}

/** So many tries a former version that lands meanwhile can win; each costs it a whole segment. */
const TRIES_MAX = 10_000;

/**
 * Takes a partition from the former version: creates the next link of its chain of cuts, which that
 * version finds taken and stops as fenced. Undefined when the partition has no ledger.
 *
 * @throws LedgerTakenError when another log has taken it
 */
export async function sealLedger(
  store: TableStore,
  id: FormerPartition,
  log: string,
  signal: AbortSignal,
): Promise<SealedLedger | undefined> {
  const folder = ledgerFolder(id);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const name = await lastName(store, folder, signal);
    if (name === undefined) return undefined;
    const entry = await readEntry(store, folder, name, signal);
    if (entry.kind === "taken") return await sealedAt(store, folder, name, entry, log, signal);
    const link = `${folder}/${nextLink(entry)}`;
    // Whatever came back, the next look says who was first.
    await store.create(link, encodeTaken(log), signal);
  }
  throw new InvariantError(`${store.locationOf(folder)} grew faster than it could be taken over`);
}

/** How a ledger was sealed; undefined while it is not. */
export async function findSeal(
  store: TableStore,
  id: FormerPartition,
  log: string,
  signal: AbortSignal,
): Promise<SealedLedger | undefined> {
  const folder = ledgerFolder(id);
  const name = await lastName(store, folder, signal);
  if (name === undefined) return undefined;
  const entry = await readEntry(store, folder, name, signal);
  if (entry.kind !== "taken") return undefined;
  return await sealedAt(store, folder, name, entry, log, signal);
}

function nextLink(entry: Exclude<FormerEntry, { kind: "taken" }>): string {
  switch (entry.kind) {
    case "begin":
      return `${padded(entry.first)}.cut`;
    case "cut":
      return `${padded(entry.first)}.done`;
    case "done":
      return `${padded(entry.segment.last + 1n)}.cut`;
  }
}

async function sealedAt(
  store: TableStore,
  folder: string,
  name: string,
  { at, log: owner }: Extract<FormerEntry, { kind: "taken" }>,
  log: string,
  signal: AbortSignal,
): Promise<SealedLedger> {
  if (owner !== log) {
    throw new LedgerTakenError(
      `the former ledger ${store.locationOf(folder)} was taken over by the log ${owner}, and this ` +
        `is ${log}: is the table's folder another one than before?`,
    );
  }
  if (name.endsWith(".cut")) return { end: at, undone: undefined };
  const cut = await readEntry(store, folder, `${padded(at)}.cut`, signal);
  if (cut.kind !== "cut") {
    throw new LedgerCorruptError(`${store.locationOf(`${folder}/${name}`)} has no cut beside it`);
  }
  return { end: at, undone: { first: cut.first, last: cut.last } };
}

/** @throws LedgerCorruptError when the name is not there or cannot be read */
export async function readEntry(
  store: TableStore,
  folder: string,
  name: string,
  signal: AbortSignal,
): Promise<FormerEntry> {
  const path = `${folder}/${name}`;
  const bytes = await store.read(path, signal);
  if (bytes !== undefined) return decodeEntry(name, bytes, store.locationOf(path));
  throw new LedgerCorruptError(`${store.locationOf(path)} was listed and is not there`);
}

/** Where the ledger begins: the first offset that the former version read. */
export async function readBegin(
  store: TableStore,
  id: FormerPartition,
  signal: AbortSignal,
): Promise<bigint> {
  const entry = await readEntry(store, ledgerFolder(id), BEGIN, signal);
  if (entry.kind === "begin") return entry.first;
  throw new LedgerCorruptError(`${store.locationOf(ledgerFolder(id))} has no beginning`);
}
