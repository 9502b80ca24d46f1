import { randomBytes, randomUUID } from "node:crypto";
import { systemClock, type Clock, type Emit } from "@hybridge/core";
import type { TableStore } from "../store-port.ts";
import type { CommitContent } from "./commit-content.ts";
import type { PartitionRange } from "./coverage.ts";
import type { LogState } from "./log-state.ts";
import type { Commit, NumberedCommit } from "./protocol.ts";
import { openStoredLog } from "./stored-log.ts";

export interface LandingLogOptions {
  readonly store: TableStore;
  /** Name of the table, written into commit 0. */
  readonly table: string;
  /** For people: `warehouse-internal/0.1.0 host 4711`. */
  readonly writer: string;
  readonly emit: Emit;
  readonly clock?: Clock;
  /** 32 hexadecimal digits that were never there before. */
  readonly randomHex?: () => string;
  readonly randomUuid?: () => string;
  /** Uploads of one commit under way at once. */
  readonly uploadsMax?: number;
}

/** A commit whose files are staged. Nothing of it is visible. */
export interface PreparedCommit {
  readonly id: string;
  readonly base: number;
  /** With the paths that its files will have. */
  readonly commit: Commit;
}

export type CommitOutcome = { readonly attempts: number } & (
  | { readonly kind: "committed"; readonly number: number }
  /** Others cover these ranges: leave the partitions out and prepare again. */
  | { readonly kind: "lost"; readonly ranges: readonly PartitionRange[] }
  /** A sweep has passed its base: prepare again with the same local files. */
  | { readonly kind: "swept" }
  /**
   * The process slept while the log went on past its number. The state has been read anew; whether
   * the commit counts is told by `position`. Forget what was read, and begin there.
   */
  | { readonly kind: "asleep" }
  /** Only where files are taken out or column lists change: what was asked for cannot be any more. */
  | { readonly kind: "refused"; readonly reason: string }
);

/** The log of a table, as one process has it. */
export interface LandingLog {
  /** As of the last refresh or commit. */
  readonly state: LogState;
  /** Reads to the end of the log. */
  refresh(signal: AbortSignal): Promise<void>;
  /**
   * Stages the files of a commit under new names.
   *
   * @throws errors of the store: prepare again
   */
  prepare(content: CommitContent, signal: AbortSignal): Promise<PreparedCommit>;
  /**
   * Appends it, if nothing is in its way.
   *
   * @throws errors of the store, after which nothing is known: call again with the same commit
   */
  commit(prepared: PreparedCommit, signal: AbortSignal): Promise<CommitOutcome>;
  /** Gives the files of a committed one their names. Once more is harmless. */
  publish(prepared: PreparedCommit, signal: AbortSignal): Promise<void>;
  /** Gives one up that is not committed. */
  discard(prepared: PreparedCommit, signal: AbortSignal): Promise<void>;
  /** The commits that count, behind `after` and up to `to`, in order. */
  readCommits(
    range: { readonly after: number; readonly to: number },
    signal: AbortSignal,
  ): AsyncIterable<NumberedCommit>;
  /** Checkpoint, archive and cleaning up, where they are due. */
  maintain(signal: AbortSignal): Promise<void>;
}

/**
 * Opens the log of a table, and founds it where there is none.
 *
 * @throws LogForeignError, LogVersionError, LogUnknownActionError, LogCorruptError; errors of the store
 */
export async function openLandingLog(
  options: LandingLogOptions,
  signal: AbortSignal,
): Promise<LandingLog> {
  return openStoredLog(
    {
      clock: systemClock,
      randomHex: () => randomBytes(16).toString("hex"),
      randomUuid: randomUUID,
      uploadsMax: 16,
      ...options,
    },
    signal,
  );
}
