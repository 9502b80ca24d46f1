import type { CatalogPosition, Following, FollowingCatalog } from "../catalog-port.ts";
import { CatalogMovedError } from "../errors.ts";
import type { NumberedCommit } from "../log/protocol.ts";

/** The table of a catalog, which several processes may follow into at once. */
export interface MemoryCatalogTable {
  position: CatalogPosition | undefined;
  /** What was followed, in order. */
  readonly commits: NumberedCommit[];
  /** Each step that was taken. */
  readonly steps: { readonly after: number; readonly to: number }[];
}

export interface MemoryFollowingCatalog extends FollowingCatalog {
  readonly table: MemoryCatalogTable;
  /** Asked before each step; what it throws is what the catalog says. */
  refuse: (following: Following) => void;
  /** How many of the commits it takes at once; all of them without a bound. */
  stepMax: number;
}

/** A catalog in memory; its position moves only from where a follower believes it to be. */
export function memoryFollowingCatalog(
  table: MemoryCatalogTable = { position: undefined, commits: [], steps: [] },
): MemoryFollowingCatalog {
  const catalog: MemoryFollowingCatalog = {
    name: "memory",
    table,
    refuse: () => undefined,
    stepMax: Infinity,
    prepare: () => Promise.resolve(),
    position: () => Promise.resolve(table.position),
    follow(following) {
      try {
        return Promise.resolve(step(catalog, following));
      } catch (error) {
        return Promise.reject(error);
      }
    },
  };
  return catalog;
}

function step(catalog: MemoryFollowingCatalog, following: Following): CatalogPosition {
  const { table, stepMax } = catalog;
  const { from, commits } = following;
  catalog.refuse(following);
  if ((table.position?.number ?? 0) !== from.number) {
    throw new CatalogMovedError(`the position is not ${from.number} any more`);
  }
  const taken = commits.slice(0, stepMax);
  const to = taken.length < commits.length ? (taken.at(-1)?.number ?? from.number) : following.to;
  table.commits.push(...taken);
  table.steps.push({ after: from.number, to });
  table.position = { log: from.log, number: to };
  return table.position;
}
