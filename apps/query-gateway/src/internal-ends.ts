import type { Emit } from "@hybridge/core";
import {
  openLandingLog,
  storedCatalogPosition,
  TABLE_NAME,
  visibleEnds,
  type TableStore,
} from "@hybridge/landing";
import type { EndOf } from "./reconcile-states.ts";

/**
 * Up to which offsets Hive shows the partitions of a topic, by the log beside the data; undefined
 * when nothing was ever landed.
 */
export async function readInternalEnds(
  store: TableStore,
  topic: string,
  emit: Emit,
  signal: AbortSignal,
): Promise<EndOf | undefined> {
  // Whoever only asks founds no log.
  const position = await storedCatalogPosition(store, "hive").read(signal);
  if (position === undefined) return undefined;
  const writer = "query-gateway";
  const log = await openLandingLog({ store, table: TABLE_NAME, writer, emit }, signal);
  const ends = await visibleEnds(log, topic, position.number, signal);
  return (partition) => ends.get(partition);
}
