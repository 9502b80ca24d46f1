import { UnavailableError } from "@hybridge/core";
import type { Catalog, LedgerEntry, TopicPartition } from "../ports.ts";
import type { Fault } from "./memory-store.ts";

/** A catalog in memory that remembers over "restarts" and can fail like memoryStore. */
export interface MemoryCatalog extends Catalog {
  readonly registered: LedgerEntry[];
  /** How many entries each call of register was given. */
  readonly batches: number[];
  fault: (operation: string) => Fault;
}

export function memoryCatalog(): MemoryCatalog {
  const positions = new Map<string, bigint>();
  const catalog: MemoryCatalog = {
    registered: [],
    batches: [],
    fault: () => "none",
    async prepare() {
      await guarded("prepare", () => undefined);
    },
    async position(partition) {
      return await guarded("position", () => positions.get(keyOf(partition)));
    },
    async register(entries) {
      await guarded("register", () => {
        catalog.batches.push(entries.length);
        for (const entry of entries) {
          const key = keyOf(entry.cut);
          if (entry.cut.last < (positions.get(key) ?? -1n)) continue;
          catalog.registered.push(entry);
          positions.set(key, entry.cut.last + 1n);
        }
      });
    },
  };
  async function guarded<T>(operation: string, effect: () => T): Promise<T> {
    const fault = catalog.fault(operation);
    await Promise.resolve();
    if (fault === "before") throw new UnavailableError(`${operation}: catalog is away`);
    const result = effect();
    if (fault === "after") throw new UnavailableError(`${operation}: response was lost`);
    return result;
  }
  return catalog;
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
