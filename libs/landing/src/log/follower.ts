import {
  describeError,
  HybridgeError,
  InvariantError,
  isAbort,
  systemClock,
  UnavailableError,
  type Clock,
  type Emit,
} from "@hybridge/core";
import type { CatalogPosition, Following, FollowingCatalog } from "../catalog-port.ts";
import { CatalogMovedError, CatalogRefusedError } from "../errors.ts";
import type { TableStore } from "../store-port.ts";
import {
  LogCorruptError,
  LogForeignError,
  LogUnknownActionError,
  LogVersionError,
} from "./errors.ts";
import { inParallel } from "./in-parallel.ts";
import type { LandingLog } from "./landing-log.ts";
import type { Commit, FileReference, LogFile, NumberedCommit } from "./protocol.ts";
import { quarantine } from "./quarantine.ts";
import { publishFiles, removeStaging } from "./staging.ts";

const COMMITS_MAX = 256;
/** Commits whose publication is looked at at once. */
const PUBLISH_MAX = 8;
const BACKOFF_MS = 200;
/** Longest wait before a catalog that refused is asked again. */
const BACKOFF_MAX_MS = 30_000;

export interface FollowerOptions {
  readonly log: LandingLog;
  readonly store: TableStore;
  readonly catalog: FollowingCatalog;
  /** Between two looks at the end of the log. */
  readonly intervalMs: number;
  readonly clock?: Clock;
  readonly emit: Emit;
  /** Commits that a catalog is given at once. */
  readonly commitsMax?: number;
}

export interface FollowerStatus {
  /** Everything up to it is visible; undefined before the catalog has said so. */
  readonly position: CatalogPosition | undefined;
  /** Commits that are known and not visible. */
  readonly behind: number;
  /** What is wrong at the moment; empty when all is well. */
  readonly reason: string;
  /** Made visible since the start. */
  readonly rows: number;
}

/** Lets a catalog follow a log. */
export interface Follower {
  /**
   * Until the signal is aborted. A catalog or store that fails is asked again and again, and holds
   * up nothing but this.
   *
   * @throws what can never get better: LogForeignError and its like, bugs
   */
  run(signal: AbortSignal): Promise<void>;
  /** Something was committed: look now. */
  wake(): void;
  readonly status: FollowerStatus;
}

export function createFollower(options: FollowerOptions): Follower {
  return new LogFollower(options);
}

class LogFollower implements Follower {
  readonly #options: FollowerOptions;
  readonly #clock: Clock;
  #position: CatalogPosition | undefined;
  #reason = "";
  #rows = 0;
  #wake = new AbortController();
  /** Files that are not handed over, by their commit: they are gone, or the catalog refused them. */
  readonly #omitted = new Map<number, Set<string>>();

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get status(): FollowerStatus {
    const { tip } = this.#options.log.state;
    const behind = Math.max(0, tip - (this.#position?.number ?? 0));
    return { position: this.#position, behind, reason: this.#reason, rows: this.#rows };
  }

  wake(): void {
    this.#wake.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    let waitMs = BACKOFF_MS;
    const works = () => {
      waitMs = BACKOFF_MS;
      this.#recovered();
    };
    const isOver = () => signal.aborted;
    while (!isOver()) {
      try {
        await this.#followFrom(works, signal);
      } catch (error) {
        if (isOver() || isAbort(error, signal)) return;
        if (error instanceof CatalogMovedError) continue;
        if (!mayPass(error)) throw error;
        this.#failed(error);
        // Commits do not cut it short: a catalog that is away is not asked at their rate.
        await this.#clock.sleep(waitMs, signal).catch(() => undefined);
        waitMs = Math.min(2 * waitMs, BACKOFF_MAX_MS);
      }
    }
  }

  /** From where the catalog says that it stands, for ever. */
  async #followFrom(works: () => void, signal: AbortSignal): Promise<void> {
    const { log, catalog, intervalMs } = this.#options;
    await catalog.prepare(signal);
    await log.refresh(signal);
    this.#position = this.#known(await catalog.position(signal));
    for (;;) {
      if (catalog.ready) await catalog.ready(signal);
      // From here on: what is committed during the look makes the next one come at once.
      this.#wake = new AbortController();
      await log.refresh(signal);
      await this.#catchUp(signal);
      works();
      await this.#pause(intervalMs, signal);
    }
  }

  /** A position in this log, or nobody goes on. */
  #known(position: CatalogPosition | undefined): CatalogPosition {
    const { log, tip } = this.#options.log.state;
    if (!position) return { log, number: 0 };
    const { name } = this.#options.catalog;
    if (position.log !== log) {
      const message =
        `${name} follows the log ${position.log}, and the folder holds ${log}: it was wiped, ` +
        `restored or changed for another. Give the folder its log back, or ${name} a new table`;
      throw new LogForeignError(message);
    }
    if (position.number <= tip) return { log, number: Math.max(0, position.number) };
    const message =
      `${name} has followed the log to commit ${position.number}, and it ends at ${tip}: the ` +
      `folder was restored from a copy. Give it its log back, or ${name} a new table`;
    throw new LogForeignError(message);
  }

  async #catchUp(signal: AbortSignal): Promise<void> {
    const { log, commitsMax = COMMITS_MAX } = this.#options;
    const { tip } = log.state;
    let position = this.#position ?? { log: log.state.log, number: 0 };
    const commits = log.readCommits({ after: position.number, to: tip }, signal);
    let piece: NumberedCommit[] = [];
    for await (const commit of commits) {
      piece.push(commit);
      if (piece.length < commitsMax) continue;
      position = await this.#hand(position, commit.number, piece, signal);
      piece = piece.filter(({ number }) => number > position.number);
    }
    while (position.number < tip) {
      position = await this.#hand(position, tip, piece, signal);
      piece = piece.filter(({ number }) => number > position.number);
    }
  }

  /** Publishes what its writers did not, and gives it to the catalog. */
  async #hand(
    from: CatalogPosition,
    to: number,
    commits: readonly NumberedCommit[],
    signal: AbortSignal,
  ): Promise<CatalogPosition> {
    const { log, catalog } = this.#options;
    await this.#publish(commits, signal);
    const columns = (id: string): readonly string[] => {
      const names = log.state.columnsOf(id);
      if (!names) throw new InvariantError(`a counted commit has the column list ${id}`);
      return names;
    };
    for (;;) {
      const given = commits.map((commit) => this.#withoutOmitted(commit));
      try {
        const at = await catalog.follow({ from, to, commits: given, columns }, signal);
        return this.#moved(from, this.#known(at), given);
      } catch (error) {
        if (!(error instanceof CatalogRefusedError) || !this.#omits(error.files)) throw error;
        await quarantine(log, error.files, error.why, error.message, signal);
      }
    }
  }

  #moved(from: CatalogPosition, at: CatalogPosition, given: Following["commits"]): CatalogPosition {
    if (at.number <= from.number) {
      const message = `${this.#options.catalog.name} was given commits and stays at ${at.number}`;
      throw new UnavailableError(message);
    }
    for (const { number, commit } of given) {
      if (number > at.number) continue;
      this.#omitted.delete(number);
      for (const action of commit.actions) {
        if (action.do === "add") for (const { rows } of action.files) this.#rows += rows;
      }
    }
    this.#position = at;
    return at;
  }

  /** Where files are renamed, a writer may have died in between. Whoever follows does it again. */
  async #publish(commits: readonly NumberedCommit[], signal: AbortSignal): Promise<void> {
    const { store, log } = this.#options;
    if (!store.moves) return;
    await inParallel(commits, PUBLISH_MAX, async ({ number, commit }) => {
      const { moved, missing } = await publishFiles(store, commit, false, signal);
      if (moved.length > 0) await removeStaging(store, commit, signal);
      if (missing.length === 0) return;
      const files = missing.map((path) => ({ commit: number, path }));
      this.#omits(files);
      await quarantine(log, files, "missing", "neither staged nor at its place", signal);
    });
  }

  /** True when any of them was handed over until now. */
  #omits(files: readonly FileReference[]): boolean {
    let isNew = false;
    for (const { commit, path } of files) {
      const paths = this.#omitted.get(commit) ?? new Set();
      isNew ||= !paths.has(path);
      this.#omitted.set(commit, paths.add(path));
    }
    return isNew;
  }

  #withoutOmitted({ number, commit }: NumberedCommit): NumberedCommit {
    const omitted = this.#omitted.get(number);
    if (!omitted) return { number, commit };
    const kept = (file: LogFile) => !omitted.has(file.path);
    const actions = commit.actions.map((action): Commit["actions"][number] =>
      "files" in action ? { ...action, files: action.files.filter(kept) } : action,
    );
    return { number, commit: { ...commit, actions } };
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#wake.signal]);
    await this.#clock.sleep(ms, either).catch(() => undefined);
    signal.throwIfAborted();
  }

  #failed(error: unknown): void {
    const { catalog, emit } = this.#options;
    const isFirst = this.#reason === "";
    this.#reason = describeError(error);
    if (!isFirst) return;
    const message = `${catalog.name} does not follow the log, and is asked again: ${this.#reason}`;
    emit({ name: "landing.catalog_degraded", level: "warn", message, error });
  }

  #recovered(): void {
    if (this.#reason === "") return;
    this.#reason = "";
    const { catalog, emit } = this.#options;
    const message = `${catalog.name} follows the log again`;
    emit({ name: "landing.catalog_recovered", level: "info", message });
  }
}

/** What a person may change, or time: the rest is a bug, or a log that must not be followed. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof HybridgeError) || error instanceof InvariantError) return false;
  return ![LogCorruptError, LogForeignError, LogUnknownActionError, LogVersionError].some(
    (stop) => error instanceof stop,
  );
}
