import { failpoint, systemClock, type Clock } from "@hybridge/core";
import {
  LogForeignError,
  type CatalogPosition,
  type Following,
  type FollowingCatalog,
  type TableStore,
} from "@hybridge/landing";
import type { Hive } from "./api.ts";
import { hourOf, hourPartitions, type Hour } from "./hour-partitions.ts";
import { createPostsTable, isTableGone, postsTable } from "./posts-table.ts";

/** How far a catalog without a table of its own has followed, in the folder of the table. */
export interface StoredCatalogPosition {
  read(signal: AbortSignal): Promise<CatalogPosition | undefined>;
  write(position: CatalogPosition, signal: AbortSignal): Promise<void>;
}

export interface HiveFollowerOptions {
  readonly hive: Hive;
  /** The table's store, whose folders are listed when the table was made anew. */
  readonly store: Pick<TableStore, "list">;
  readonly stored: StoredCatalogPosition;
  /** Default: hybridge. */
  readonly database?: string;
  /** Default: tweets. */
  readonly table?: string;
  /** The folder of the dt=/hr= folders: a path or URL of the file system that Hive reads. */
  readonly location: string;
  readonly clock?: Clock;
}

/**
 * Makes landed HDFS files visible as the external table of posts. A file in the folder of a
 * registered partition is visible by itself, so that following is to register hours that are new.
 * Any number of processes may do it at once.
 *
 * How far that has got is kept beside the log, since each change of a table property would be an
 * event of the metastore. A table that was dropped and made anew gets every hour that has a folder.
 */
export function hiveFollower(options: HiveFollowerOptions): FollowingCatalog {
  const { hive, store, stored, location, clock = systemClock } = options;
  const table = postsTable(options);
  const partitions = hourPartitions({ hive, table, location, store, clock });

  async function prepare(signal: AbortSignal): Promise<void> {
    await createPostsTable(hive, options, location, signal);
    await partitions.registerFolders(signal);
  }

  /** A table that somebody dropped is made again, with all that has landed. */
  async function register(hours: readonly Hour[], signal: AbortSignal): Promise<void> {
    try {
      await partitions.register(hours, signal);
    } catch (error) {
      if (!isTableGone(error)) throw error;
      await prepare(signal);
      await partitions.register(hours, signal);
    }
  }

  return {
    name: "hive",
    prepare,
    position: (signal) => stored.read(signal),
    async follow(following, signal) {
      const { from, to } = following;
      const before = await stored.read(signal);
      if (before !== undefined && before.log !== from.log) {
        throw new LogForeignError(
          `${table} follows the landing log ${before.log}, and this is ${from.log}: the folder was ` +
            "wiped, restored or changed for another",
        );
      }
      await register(hoursOf(following), signal);
      failpoint("hive.before-position");
      // Another process may be further on.
      if (before !== undefined && before.number >= to) return before;
      const reached = { log: from.log, number: to };
      await stored.write(reached, signal);
      return reached;
    },
  };
}

/** The hours into which the commits bring files. */
function hoursOf({ commits }: Following): Hour[] {
  const actions = commits.flatMap(({ commit }) => commit.actions);
  const files = actions.flatMap((each) =>
    each.do === "add" || each.do === "erase" ? each.files : [],
  );
  return files.map(({ path }) => hourOf(path)).filter((hour) => hour !== undefined);
}
