import { failpoint, systemClock, type Clock, type Emit } from "@hybridge/core";
import type { TableStore } from "../store-port.ts";
import { decodeCommit } from "./commit-codec.ts";
import { LogCorruptError, LogForeignError } from "./errors.ts";
import type { LandingLog } from "./landing-log.ts";
import { namesIn } from "./log-listing.ts";
import { draftPath, STAGING_FOLDER, stagingOf } from "./paths.ts";
import type { Commit } from "./protocol.ts";
import { publishFiles, removeFiles, removeStaging } from "./staging.ts";

const DAY_MS = 24 * 3_600_000;

export interface SweepOptions {
  readonly store: TableStore;
  readonly emit: Emit;
  readonly clock?: Clock;
  /** Drafts that are younger are left alone. */
  readonly draftAgeMs?: number;
}

export interface SweepResult {
  /** Stagings of commits that count, published and removed. */
  readonly published: number;
  /** Drafts that can never be committed, whose files are removed. */
  readonly removed: number;
}

/** What lies in the staging folder under one name. */
interface Staging {
  readonly base: number;
  readonly id: string;
  /** Its draft; undefined when that has become a commit. */
  draft?: Commit;
}

/**
 * Removes what dead writers left. May be run by any number of processes at once. Age only chooses
 * which drafts are given up: that they are is a commit, and what comes after it is void.
 */
export async function sweepStaging(
  log: LandingLog,
  options: SweepOptions,
  signal: AbortSignal,
): Promise<SweepResult> {
  const { store, emit, clock = systemClock, draftAgeMs = DAY_MS } = options;
  const stagings = await readStagings(log, options, signal);
  const old = stagings.filter(
    ({ draft }) => draft === undefined || draft.at <= clock.now() - draftAgeMs,
  );
  if (old.length === 0) return { published: 0, removed: 0 };
  await log.refresh(signal);
  const seen = log.state.tip;
  const numbers = await findIds(log, old, 0, signal);
  const open = () => old.filter(({ draft, id }) => draft !== undefined && !numbers.has(id));
  const floor = open().reduce((highest, { base }) => Math.max(highest, base + 1), 0);
  if (floor > log.state.floor) await commitSweep(log, floor, signal);
  failpoint("landing-log.after-sweep");
  // Whatever was committed before the sweep counts; nothing can be any more.
  for (const [id, number] of await findIds(log, open(), seen, signal)) numbers.set(id, number);
  let published = 0;
  let removed = 0;
  for (const staging of old) {
    if (numbers.has(staging.id)) {
      await publishAgain(log, store, staging, numbers.get(staging.id) ?? 0, signal);
      published += 1;
    } else if (staging.draft && staging.base < log.state.floor) {
      await removeDead(log, store, staging.draft, clock.now(), signal);
      removed += 1;
    } else if (!staging.draft) {
      // Renamed to a number that was archived while its writer slept: it is no commit.
      await removeStaging(store, staging, signal);
      removed += 1;
    }
  }
  if (published + removed > 0) {
    const message = `${removed} drafts of dead writers are removed, ${published} commits published`;
    emit({ name: "landing_log.swept", level: "info", message, fields: { removed, published } });
  }
  return { published, removed };
}

/** The staging folder, with the drafts in it. Bodies are small: what they name is not read. */
async function readStagings(
  log: LandingLog,
  { store, emit }: SweepOptions,
  signal: AbortSignal,
): Promise<Staging[]> {
  const found = new Map<string, Staging>();
  const drafts: Staging[] = [];
  for await (const name of namesIn(store, STAGING_FOLDER, "", signal)) {
    const parts = stagingOf(name);
    if (!parts) continue;
    const staging = found.get(parts.id) ?? { base: parts.base, id: parts.id };
    found.set(parts.id, staging);
    if (!parts.isFolder) drafts.push(staging);
  }
  for (const staging of drafts) {
    const path = draftPath(staging.base, staging.id);
    const bytes = await store.read(path, signal);
    // Committed since it was listed; its writer publishes it.
    if (!bytes) {
      found.delete(staging.id);
      continue;
    }
    try {
      staging.draft = decodeCommit(bytes, path, log.state.log);
    } catch (error) {
      if (!(error instanceof LogCorruptError || error instanceof LogForeignError)) throw error;
      found.delete(staging.id);
      const message = `${path} is no draft of this log, and is left alone: ${error.message}`;
      emit({ name: "landing_log.strange_draft", level: "warn", message, error });
    }
  }
  return [...found.values()];
}

/** Which of them count, by the numbers of their commits above `after`. */
async function findIds(
  log: LandingLog,
  stagings: readonly Staging[],
  after: number,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const numbers = new Map<string, number>();
  const wanted = new Set(stagings.map(({ id }) => id));
  const lowest = stagings.reduce((least, { base }) => Math.min(least, base), Infinity);
  const range = { after: Math.max(after, lowest), to: log.state.tip };
  if (wanted.size === 0 || range.after >= range.to) return numbers;
  for await (const { number, commit } of log.readCommits(range, signal)) {
    if (!wanted.delete(commit.id)) continue;
    numbers.set(commit.id, number);
    if (wanted.size === 0) break;
  }
  return numbers;
}

async function commitSweep(log: LandingLog, below: number, signal: AbortSignal): Promise<void> {
  const prepared = await log.prepare({ actions: [{ do: "sweep", below }] }, signal);
  const outcome = await log.commit(prepared, signal);
  if (outcome.kind === "committed") await log.publish(prepared, signal);
  else await log.discard(prepared, signal);
}

async function publishAgain(
  log: LandingLog,
  store: TableStore,
  staging: Staging,
  number: number,
  signal: AbortSignal,
): Promise<void> {
  for await (const { commit } of log.readCommits({ after: number - 1, to: number }, signal)) {
    if (store.moves) await publishFiles(store, commit, false, signal);
  }
  await removeStaging(store, staging, signal);
}

/** The files at once; once more a day later, with the draft: its writer may have woken in between. */
async function removeDead(
  log: LandingLog,
  store: TableStore,
  draft: Commit,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  await removeFiles(store, draft, signal);
  failpoint("landing-log.after-swept-files");
  const swept = log.state.sweeps.find(({ below }) => below > draft.base);
  if (swept && swept.at <= now - DAY_MS) await removeStaging(store, draft, signal);
}
