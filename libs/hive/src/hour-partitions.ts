import type { Clock } from "@hybridge/core";
import type { TableStore } from "@hybridge/landing";
import type { Hive } from "./api.ts";
import { runText } from "./run-text.ts";
import { literal } from "./sql-text.ts";

/** An hour of the table as its folder is named: `dt=2026-11-26/hr=14`. */
export type Hour = string;

/** Partitions in one ALTER TABLE: long enough to save round trips, short enough for the metastore. */
const ADD_BATCH = 100;
/** Hours that are remembered as registered; a forgotten one is only looked for again. */
const KNOWN_MAX = 10_000;
/** After this long an hour is looked for again, in case somebody has dropped it. */
const KNOWN_MS = 10 * 60_000;
/** For hours of more days all partitions are listed at once. */
const DAYS_ASKED_MAX = 8;
/** Says that every folder which was there when the table was made is a partition. */
const REGISTERED = "hybridge.registered";

const HOUR = /^dt=(\d{4}-\d\d-\d\d)\/hr=(\d\d)$/;

/** The hour of a landed file; undefined for one that lies elsewhere. */
export function hourOf(path: string): Hour | undefined {
  const hour = path.slice(0, path.lastIndexOf("/"));
  return HOUR.test(hour) ? hour : undefined;
}

export interface HourPartitionsOptions {
  readonly hive: Hive;
  /** As SQL names it. */
  readonly table: string;
  /** The folder of the table, as Hive has it. */
  readonly location: string;
  /** The same folder. */
  readonly store: Pick<TableStore, "list">;
  readonly clock: Clock;
}

/** The partitions of the table of posts, one an hour. */
export interface HourPartitions {
  /**
   * Registers hours that are not. The metastore is asked what it has before anything is added, so
   * that nobody who listens to it hears of an hour twice.
   */
  register(hours: Iterable<Hour>, signal: AbortSignal): Promise<void>;
  /** Registers every hour that has a folder, unless the table says that this was done. */
  registerFolders(signal: AbortSignal): Promise<void>;
}

export function hourPartitions(options: HourPartitionsOptions): HourPartitions {
  const { hive, table, location, store, clock } = options;
  /** When an hour was seen to be registered. */
  const known = new Map<Hour, number>();
  const isKnown = (hour: Hour) => (known.get(hour) ?? -Infinity) > clock.now() - KNOWN_MS;

  function remember(hours: Iterable<Hour>): void {
    for (const hour of hours) {
      known.delete(hour);
      known.set(hour, clock.now());
    }
    for (const hour of known.keys()) {
      if (known.size <= KNOWN_MAX) break;
      known.delete(hour);
    }
  }

  async function present(hours: readonly Hour[], signal: AbortSignal): Promise<Set<Hour>> {
    const days = [...new Set(hours.map((hour) => partsOf(hour).dt))];
    const asked =
      days.length > DAYS_ASKED_MAX ? [""] : days.map((dt) => ` PARTITION (dt=${literal(dt)})`);
    const found = new Set<Hour>();
    for (const of of asked) {
      for (const [hour] of await runText(hive, `SHOW PARTITIONS ${table}${of}`, signal)) {
        if (hour) found.add(hour);
      }
    }
    return found;
  }

  async function add(hours: readonly Hour[], signal: AbortSignal): Promise<void> {
    for (let start = 0; start < hours.length; start += ADD_BATCH) {
      const clauses = hours.slice(start, start + ADD_BATCH).map((hour) => {
        const { dt, hr } = partsOf(hour);
        return `PARTITION (dt=${literal(dt)}, hr=${literal(hr)}) LOCATION ${literal(`${location}/${hour}`)}`;
      });
      await runText(hive, `ALTER TABLE ${table} ADD IF NOT EXISTS\n${clauses.join("\n")}`, signal);
    }
  }

  async function addMissing(hours: readonly Hour[], signal: AbortSignal): Promise<void> {
    if (hours.length === 0) return;
    const there = await present(hours, signal);
    await add(
      hours.filter((hour) => !there.has(hour)),
      signal,
    );
    remember(hours);
  }

  async function registerFolders(signal: AbortSignal): Promise<void> {
    const properties = await runText(hive, `SHOW TBLPROPERTIES ${table}`, signal);
    if (properties.some(([name]) => name === REGISTERED)) return;
    known.clear();
    await addMissing(await folders(store, signal), signal);
    const registered = `${literal(REGISTERED)}='true'`;
    await runText(hive, `ALTER TABLE ${table} SET TBLPROPERTIES (${registered})`, signal);
  }

  return {
    async register(hours, signal) {
      const wanted = [...new Set(hours)].filter((hour) => !isKnown(hour));
      if (wanted.length === 0) return;
      // Somebody may have made the table anew since.
      await registerFolders(signal);
      await addMissing(
        wanted.filter((hour) => !isKnown(hour)),
        signal,
      );
    },
    registerFolders,
  };
}

/** Every hour that has a folder. */
async function folders(store: Pick<TableStore, "list">, signal: AbortSignal): Promise<Hour[]> {
  const hours: Hour[] = [];
  for (const day of await foldersIn(store, "", signal)) {
    if (!day.startsWith("dt=")) continue;
    for (const hour of await foldersIn(store, day, signal)) hours.push(`${day}/${hour}`);
  }
  return hours.filter((hour) => HOUR.test(hour));
}

async function foldersIn(
  store: Pick<TableStore, "list">,
  folder: string,
  signal: AbortSignal,
): Promise<string[]> {
  const found: string[] = [];
  for (let after = ""; ;) {
    const { names, more } = await store.list(folder, after, signal);
    for (const name of names) if (name.endsWith("/")) found.push(name.slice(0, -1));
    if (!more) return found;
    after = names.at(-1) ?? after;
  }
}

function partsOf(hour: Hour): { readonly dt: string; readonly hr: string } {
  const [, dt = "", hr = ""] = HOUR.exec(hour) ?? [];
  return { dt, hr };
}
