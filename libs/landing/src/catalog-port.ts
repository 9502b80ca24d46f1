import type { NumberedCommit } from "./log/protocol.ts";

/** Up to where a catalog shows a log. */
export interface CatalogPosition {
  /** UUID of the log. */
  readonly log: string;
  /** Everything up to this commit is visible. */
  readonly number: number;
}

/** What a catalog is given: commits that count, in order, all those of (from.number, to]. */
export interface Following {
  /** Number 0 when it has followed nothing: commit 0 has no actions. */
  readonly from: CatalogPosition;
  readonly to: number;
  readonly commits: readonly NumberedCommit[];
  /** Names of the columns of a list, in the order of the files. */
  readonly columns: (id: string) => readonly string[];
}

/**
 * What makes landed files visible to queries: partitions of Hive, or loads into Redshift. Several
 * processes may follow at once.
 */
export interface FollowingCatalog {
  /** Of the position, and in events: "hive", "redshift". */
  readonly name: string;
  /** Creates what is missing: database, table, table of loads. */
  prepare(signal: AbortSignal): Promise<void>;
  /** Where it stands; undefined when it has followed nothing. */
  position(signal: AbortSignal): Promise<CatalogPosition | undefined>;
  /**
   * Makes commits visible and moves the position to `to`, or to an earlier commit when it takes
   * several steps; answers where it stands then. The same again is harmless.
   *
   * @throws CatalogMovedError when another process moved the position: ask for it again
   * @throws CatalogRefusedError for files that it will never take
   */
  follow(following: Following, signal: AbortSignal): Promise<CatalogPosition>;
  /**
   * Resolves when the catalog wants to follow again, by a cadence of its own. Whoever waits for it
   * before he reads the log gives `follow` all that has come by then; else `follow` itself waits.
   */
  ready?(signal: AbortSignal): Promise<void>;
}
