import { describeError, isAbort, retryOf, systemClock, type Emit } from "@hybridge/core";
import {
  createFollower,
  sweepStaging,
  type Follower,
  type FollowingCatalog,
  type LandingLog,
  type TableStore,
} from "@hybridge/landing";

/** Between two looks at whether the log has to be tidied up. */
const MAINTAIN_MS = 60_000;
/** Between two looks for what processes left that were killed. */
const SWEEP_MS = 3_600_000;
/** A former version that was overtaken ends within minutes, as a rule: it is watched more closely. */
const TAKEN_OVER_MS = 600_000;
/** Steps of a catalog that are remembered. */
const STEPS_MAX = 100;
/** Between two looks at how far the catalog is. */
const STEP_LOOK_MS = 200;

/** One step of a catalog along the log. */
export interface LoadStep {
  readonly after: number;
  readonly to: number;
  readonly atMs: number;
}

export interface LeaderOptions {
  readonly log: LandingLog;
  readonly store: TableStore;
  readonly catalog: FollowingCatalog;
  readonly intervalMs: number;
  readonly emit: Emit;
  /** Sets aside what a former version still brings. */
  readonly quarantineLate: (signal: AbortSignal) => Promise<void>;
  /** Everything up to a commit is visible. */
  readonly visible: (commit: number) => void;
}

/**
 * What one process does for all of a table, the one with partition 0: it lets the catalog follow the
 * log, and tidies up.
 */
export class TableLeader {
  readonly #options: LeaderOptions;
  readonly #steps: LoadStep[] = [];
  #follower: Follower | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  /** Undefined while another process does it. */
  get follower(): Follower | undefined {
    return this.#follower;
  }

  /** The newest steps, the newest last. */
  get steps(): readonly LoadStep[] {
    return this.#steps;
  }

  /** Something was committed. */
  wake(): void {
    this.#follower?.wake();
  }

  /** Rejects when the log or the catalog can never go on; a store that fails is asked again. */
  async run(signal: AbortSignal): Promise<void> {
    const follower = createFollower(this.#options);
    this.#follower = follower;
    const ended = new AbortController();
    const until = AbortSignal.any([signal, ended.signal]);
    const parts = [follower.run(until), this.#watch(follower, until), this.#tidy(until)];
    try {
      await Promise.race(parts);
    } finally {
      ended.abort();
      await Promise.allSettled(parts);
      this.#follower = undefined;
    }
  }

  /** Tells how far queries see, as the follower goes along. */
  async #watch(follower: Follower, signal: AbortSignal): Promise<void> {
    let seen = follower.status.position?.number ?? 0;
    for (;;) {
      const number = follower.status.position?.number;
      if (number !== undefined) {
        this.#options.visible(number);
        if (number > seen) this.#remember({ after: seen, to: number, atMs: systemClock.now() });
        seen = number;
      }
      await systemClock.sleep(STEP_LOOK_MS, signal);
    }
  }

  #remember(step: LoadStep): void {
    this.#steps.push(step);
    if (this.#steps.length > STEPS_MAX) this.#steps.shift();
  }

  async #tidy(signal: AbortSignal): Promise<void> {
    const { log, store, emit } = this.#options;
    const beganAtMs = systemClock.monotonic();
    let sweptAtMs = -Infinity;
    for (;;) {
      const isYoung = systemClock.monotonic() - beganAtMs < TAKEN_OVER_MS;
      const isDue = systemClock.monotonic() - sweptAtMs >= SWEEP_MS;
      await this.#attempt("maintenance of the log", () => log.maintain(signal), signal);
      if (isYoung || isDue) {
        const quarantine = () => this.#options.quarantineLate(signal);
        await this.#attempt("looking for files of a former version", quarantine, signal);
      }
      if (isDue) {
        const sweep = () => sweepStaging(log, { store, emit }, signal);
        await this.#attempt("sweeping", sweep, signal);
        sweptAtMs = systemClock.monotonic();
      }
      await systemClock.sleep(MAINTAIN_MS, signal);
    }
  }

  /** What fails here is done at the next look; nothing waits for it. */
  async #attempt(what: string, body: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
    try {
      await body();
    } catch (error) {
      if (isAbort(error, signal)) throw error;
      if (retryOf(error) === "never") throw error;
      const message = `${what} failed, and is tried again later: ${describeError(error)}`;
      this.#options.emit({ name: "landing.upkeep_failed", level: "warn", message, error });
    }
  }
}
