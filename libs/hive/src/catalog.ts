import { createHash } from "node:crypto";
import { failpoint, systemClock, type Clock } from "@hybridge/core";
import type { Catalog, LedgerEntry, TopicPartition } from "@hybridge/landing";
import type { Hive } from "./api.ts";
import { HiveSchemaError } from "./errors.ts";
import { createPostsTable, isTableGone, postsTable } from "./posts-table.ts";
import { runText } from "./run-text.ts";
import { literal } from "./sql-text.ts";

export interface HiveCatalogOptions {
  readonly hive: Hive;
  /** Default: hybridge. */
  readonly database?: string;
  /** Default: tweets. */
  readonly table?: string;
  /** The folder of the dt=/hr= folders: a path or URL of the file system that Hive reads. */
  readonly location: string;
  readonly clock?: Clock;
}

/** Partitions in one ALTER TABLE: long enough to save round trips, short enough for the metastore. */
const ADD_BATCH = 100;
/** Registered partitions that are remembered; a forgotten one is only added again. */
const KNOWN_MAX = 10_000;
/** After this long a partition is added again, in case somebody has dropped it. */
const KNOWN_MS = 10 * 60_000;
/** Keys of table properties may have 256 characters in the metastore's database. */
const TOPIC_IN_KEY_MAX = 200;

/**
 * Makes landed HDFS files visible as the external table of posts, partitioned by dt and hr.
 *
 * A file in the folder of a registered partition is visible by itself, so that registering is to
 * add the partitions that are new. How far that has got is kept in the table's own properties:
 * whoever drops the table drops the positions too, and everything is registered again.
 */
export function hiveCatalog(options: HiveCatalogOptions): Catalog {
  const { hive, location, clock = systemClock } = options;
  const table = postsTable(options);
  /** When a dt/hr was added. */
  const known = new Map<string, number>();
  let positions: ReadonlyMap<string, string> | undefined;

  /** Runs DDL; a table that has gone is a person's decision, and ours to start over from. */
  async function run(sql: string, signal: AbortSignal): Promise<(string | null)[][]> {
    try {
      return await runText(hive, sql, signal);
    } catch (error) {
      if (!isTableGone(error)) throw error;
      throw new HiveSchemaError(
        `the Hive table ${table} was dropped while it was in use; a new start makes it again and ` +
          "registers everything that the ledger knows",
        { cause: error },
      );
    }
  }

  async function readPositions(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const rows = await run(`SHOW TBLPROPERTIES ${table}`, signal);
    return new Map(rows.map(([name, value]) => [name ?? "", value ?? ""]));
  }

  async function storedPositions(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    try {
      return await readPositions(signal);
    } catch (error) {
      if (error instanceof HiveSchemaError) return new Map();
      throw error;
    }
  }

  async function addPartitions(wanted: ReadonlyMap<string, string>, signal: AbortSignal) {
    const all = [...wanted];
    for (let start = 0; start < all.length; start += ADD_BATCH) {
      const batch = all.slice(start, start + ADD_BATCH);
      const clauses = batch.map(([, clause]) => clause).join("\n");
      await run(`ALTER TABLE ${table} ADD IF NOT EXISTS\n${clauses}`, signal);
      for (const [key] of batch) known.set(key, clock.now());
    }
    for (const key of known.keys()) {
      if (known.size <= KNOWN_MAX) break;
      known.delete(key);
    }
  }

  function unknownPartitions(entries: readonly LedgerEntry[]): Map<string, string> {
    const wanted = new Map<string, string>();
    for (const { dt, hr, location: file } of entries.flatMap(({ files }) => files)) {
      const key = `${dt}/${hr}`;
      if ((known.get(key) ?? -Infinity) > clock.now() - KNOWN_MS) continue;
      const folder = file.slice(0, file.lastIndexOf("/"));
      const clause = `PARTITION (dt=${literal(dt)}, hr=${literal(hr)}) LOCATION ${literal(folder)}`;
      wanted.set(key, clause);
      known.delete(key);
    }
    return wanted;
  }

  async function writePositions(entries: readonly LedgerEntry[], signal: AbortSignal) {
    const next = new Map<string, bigint>();
    for (const { cut } of entries) {
      const key = positionKey(cut);
      const after = cut.last + 1n;
      if (after > (next.get(key) ?? BigInt(positions?.get(key) ?? 0))) next.set(key, after);
    }
    if (next.size === 0) return;
    const pairs = [...next].map(([key, value]) => `${literal(key)}=${literal(String(value))}`);
    await run(`ALTER TABLE ${table} SET TBLPROPERTIES (${pairs.join(", ")})`, signal);
    const written = [...next].map(([key, value]) => [key, String(value)] as const);
    positions = new Map([...(positions ?? []), ...written]);
  }

  return {
    async prepare(signal) {
      known.clear();
      await createPostsTable(hive, options, location, signal);
      positions = await readPositions(signal);
    },
    async position(partition, signal) {
      // Who only asks has made nothing: a table that is not there yet has no positions.
      const value = (positions ?? (await storedPositions(signal))).get(positionKey(partition));
      return value === undefined ? undefined : positionOf(value, table);
    },
    async register(entries, signal) {
      positions ??= await readPositions(signal);
      const wanted = unknownPartitions(entries);
      if (wanted.size > 0) await addPartitions(wanted, signal);
      failpoint("hive.before-position");
      await writePositions(entries, signal);
    },
  };
}

/**
 * How far the partitions of a topic are visible in a table that hiveCatalog keeps, as of one
 * reading; undefined when there is no such table.
 *
 * @param table as SQL names it
 */
export async function readVisibleEnds(
  hive: Hive,
  table: string,
  signal: AbortSignal,
): Promise<((at: TopicPartition) => bigint | undefined) | undefined> {
  try {
    const rows = await runText(hive, `SHOW TBLPROPERTIES ${table}`, signal);
    const properties = new Map(rows.map(([name, value]) => [name, value ?? ""]));
    return (at) => {
      const value = properties.get(positionKey(at));
      return value === undefined ? undefined : positionOf(value, table);
    };
  } catch (error) {
    if (isTableGone(error)) return undefined;
    throw error;
  }
}

function positionKey({ topic, partition }: TopicPartition): string {
  const short =
    topic.length <= TOPIC_IN_KEY_MAX ? topic : createHash("sha256").update(topic).digest("hex");
  return `hybridge.next.${short}.${partition}`;
}

function positionOf(value: string, table: string): bigint {
  if (/^\d{1,19}$/.test(value)) return BigInt(value);
  throw new HiveSchemaError(
    `a position in the properties of ${table} is ${JSON.stringify(value)}, not an offset; unset it ` +
      "and everything is registered again",
  );
}
