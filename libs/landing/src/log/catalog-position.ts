import type { CatalogPosition } from "../catalog-port.ts";
import type { TableStore } from "../store-port.ts";
import { countIn, parseObject, textIn } from "./json-members.ts";
import { catalogPath } from "./paths.ts";

/** Where a catalog stands that has no table of its own to say so. It may lag behind. */
export interface StoredCatalogPosition {
  read(signal: AbortSignal): Promise<CatalogPosition | undefined>;
  write(position: CatalogPosition, signal: AbortSignal): Promise<void>;
}

/** @param name of the catalog: "hive" */
export function storedCatalogPosition(store: TableStore, name: string): StoredCatalogPosition {
  const path = catalogPath(name);
  return {
    async read(signal) {
      const bytes = await store.read(path, signal);
      if (!bytes) return undefined;
      const from = parseObject(bytes.toString("utf8"), path);
      return { log: textIn(from, "log", path), number: countIn(from, "number", path) };
    },
    async write({ log, number }, signal) {
      await store.put(path, Buffer.from(JSON.stringify({ log, number })), signal);
    },
  };
}
