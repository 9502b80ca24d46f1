import { systemClock, type Clock } from "@hybridge/core";
import type { Following, FollowingCatalog } from "@hybridge/landing";
import type { Redshift } from "../api.ts";
import { redshiftTables, type TableNames } from "../names.ts";
import { dailySweep } from "./daily-sweep.ts";
import { defaultCadence, loadPace, type LoadCadence } from "./load-cadence.ts";
import { loadManifests, type ManifestStore } from "./load-manifests.ts";
import { planLoader } from "./load-plan.ts";
import { selectFormerPositions } from "./load-tables.ts";
import { planLoad, type LoadBounds } from "./plan-loads.ts";
import { hasFormerLoads, prepareTables } from "./prepare-tables.ts";
import { readRows } from "./read-rows.ts";
import { tablePosition } from "./table-position.ts";

export interface RedshiftFollowerOptions {
  readonly redshift: Redshift;
  /** The table's store, in which the landed files are; manifests of loads lie in its `_loads/`. */
  readonly store: ManifestStore;
  /** ARN of the role that COPY reads S3 with; default: the one attached as default. */
  readonly iamRole?: string;
  /** Default: hybridge. */
  readonly schema?: string;
  /** Default: tweets. The other tables are beside it; see docs/redshift.md. */
  readonly table?: string;
  readonly cadence?: Partial<LoadCadence>;
  readonly clock?: Clock;
}

/** How far the version before the log had loaded one partition. */
export interface FormerPosition {
  readonly topic: string;
  readonly partition: number;
  /** Inclusive. */
  readonly lastOffset: bigint;
}

export interface RedshiftFollower extends FollowingCatalog {
  ready(signal: AbortSignal): Promise<void>;
  /** What the version before the log had loaded; nothing when it never ran. */
  formerPositions(signal: AbortSignal): Promise<readonly FormerPosition[]>;
}

/**
 * Of one load: more would run for minutes, hold the lock so long and be repeated whole. So many
 * ranges are at most 5 of the 40 statements that a transaction may have.
 */
const BOUNDS: LoadBounds = { commits: 10_000, bytes: 2 ** 30, files: 5_000, ranges: 800 };
/** After a load of so much, the next one does not wait. */
const LARGE = { commits: 200, bytes: 2 ** 27 };

/**
 * Makes the files that commits of a landing log add rows of the Redshift table of posts, in order,
 * each load one transaction that moves the position from the commit where it stood. Any number of
 * processes may follow at once: one loads, the others learn that they are late.
 *
 * @throws ConfigError when schema or table cannot be the name of one
 */
export function redshiftFollower(options: RedshiftFollowerOptions): RedshiftFollower {
  const { redshift, iamRole = "default", clock = systemClock } = options;
  const names = { schema: options.schema ?? "hybridge", table: options.table ?? "tweets" };
  redshiftTables(names);
  const manifests = loadManifests(options.store);
  const pace = loadPace({ ...defaultCadence, ...options.cadence }, clock);
  const sweeping = dailySweep(redshift, names, clock);
  const position = tablePosition(redshift, names, (ageS) => sweeping.heard(ageS));
  const loadPlan = planLoader({ redshift, names, iamRole, manifests }, position);
  /** Commits up to it are loaded, or have nothing to load. */
  let seen = 0;
  let commitsMax = BOUNDS.commits;

  /** Loads all that follows after a commit. @returns how many loads it took */
  async function loadAfter(begin: number, following: Following, signal: AbortSignal) {
    let loads = 0;
    for (let after = begin; after < following.to; after = seen) {
      const plan = planLoad(following, after, { ...BOUNDS, commits: commitsMax });
      seen = after;
      if (plan.wanted.length === 0 && plan.ranges.length === 0) {
        seen = plan.to;
        continue;
      }
      if (loads === 0) await pace.ready(signal);
      const startedMs = clock.now();
      if ((await loadPlan(plan, signal)) === "refused") {
        commitsMax = Math.ceil(plan.commits / 2);
        continue;
      }
      loads += 1;
      seen = plan.to;
      commitsMax = Math.min(BOUNDS.commits, commitsMax * 2);
      pace.loaded(startedMs, plan.bytes >= LARGE.bytes || plan.commits >= LARGE.commits);
    }
    return loads;
  }

  return {
    name: "redshift",
    prepare: (signal) => prepareTables(redshift, names, signal),
    async position(signal) {
      const stored = await position.ask(signal);
      seen = stored?.number ?? 0;
      return stored;
    },
    async follow(following, signal) {
      const begin = await position.beginOf(following, seen, signal);
      const loads = await loadAfter(begin, following, signal);
      const reached = { log: following.from.log, number: seen };
      if (loads === 0) return reached;
      await manifests.removeTo(reached.number, signal);
      await sweeping.sweep(signal);
      return reached;
    },
    ready: (signal) => pace.ready(signal),
    formerPositions: (signal) => readFormerPositions(redshift, names, signal),
  };
}

async function readFormerPositions(
  redshift: Redshift,
  names: TableNames,
  signal: AbortSignal,
): Promise<readonly FormerPosition[]> {
  if (!(await hasFormerLoads(redshift, names, signal))) return [];
  const rows = await readRows(redshift, selectFormerPositions(names), signal);
  return rows.map(([topic, partition, last]) => {
    return { topic: String(topic), partition: Number(partition), lastOffset: last as bigint };
  });
}
