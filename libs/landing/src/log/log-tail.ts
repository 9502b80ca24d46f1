import { type Emit } from "@hybridge/core";
import type { TableStore } from "../store-port.ts";
import { decodeCommit, encodeCommit, LOG_VERSION } from "./commit-codec.ts";
import { CommitSource, READS_MAX } from "./commit-source.ts";
import { LogForeignError } from "./errors.ts";
import { LogFold, type Refusal } from "./fold.ts";
import { inParallel } from "./in-parallel.ts";
import { corrupt } from "./json-members.ts";
import { isArchived, newestCheckpoint, newestMark, numbersIn } from "./log-listing.ts";
import { CHECKPOINTS_FOLDER, commitName, commitPath, LOG_FOLDER, numberOf } from "./paths.ts";
import type { Commit } from "./protocol.ts";

export interface TailOptions {
  readonly store: TableStore;
  readonly table: string;
  readonly emit: Emit;
  /** What a new log would begin with. */
  readonly founding: () => Commit;
  /** A commit was folded. */
  readonly took: (number: number, commit: Commit, refusal: Refusal | undefined) => void;
  /** The log went on past what was known: the state comes from a checkpoint. */
  readonly rejoined: () => void;
}

/** The end of the log as it is followed by one process: checkpoint, then commit by commit. */
export class LogTail {
  readonly #options: TailOptions;
  #fold: LogFold;
  #newestCheckpoint: number;
  readonly source: CommitSource;

  private constructor(options: TailOptions, fold: LogFold, checkpoint: number) {
    this.#options = options;
    this.#fold = fold;
    this.#newestCheckpoint = checkpoint;
    this.source = new CommitSource(options.store, fold.folded.log);
  }

  /** Reads the newest checkpoint, or commit 0, which is made when there is no log. */
  static async open(options: TailOptions, signal: AbortSignal): Promise<LogTail> {
    const { store, table } = options;
    const fold = (await checkpointOf(options, signal)) ?? (await foundingOf(options, signal));
    if (fold.folded.table !== table) {
      const message =
        `${store.locationOf(LOG_FOLDER)} is the log of the table ${fold.folded.table}, not of ` +
        `${table}: land into a folder of its own`;
      throw new LogForeignError(message);
    }
    return new LogTail(options, fold, fold.folded.number);
  }

  get fold(): LogFold {
    return this.#fold;
  }

  /** The greatest number of a checkpoint that this process has seen. */
  get newestCheckpoint(): number {
    return this.#newestCheckpoint;
  }

  sawCheckpoint(number: number): void {
    if (number <= this.#newestCheckpoint) return;
    this.#newestCheckpoint = number;
    // A checkpoint ahead of what is folded here may name other lists.
    if (number <= this.#fold.folded.number) this.#fold.folded.removals.stored(number);
  }

  async lookForCheckpoints(signal: AbortSignal): Promise<void> {
    const numbers = await numbersIn(this.#options.store, CHECKPOINTS_FOLDER, signal);
    this.sawCheckpoint(numbers.at(-1) ?? 0);
  }

  /** Folds what has come since. */
  async refresh(signal: AbortSignal): Promise<void> {
    while (await this.#foldPage(signal));
  }

  /** Folds a commit that is known to be the next one. */
  async take(number: number, commit: Commit, signal: AbortSignal): Promise<void> {
    const needs = this.#fold.needsOf(commit);
    const brought = await this.source.satisfy(this.#fold, needs, signal);
    this.#options.took(number, commit, this.#fold.apply(number, commit, brought));
  }

  async refusalOf(commit: Commit, signal: AbortSignal): Promise<Refusal | undefined> {
    const brought = await this.source.satisfy(this.#fold, this.#fold.needsOf(commit), signal);
    return this.#fold.refusalOf(commit, brought);
  }

  /** Whether the log went on so far that commit `number` is archived; if so, goes there. */
  async wentPast(number: number, signal: AbortSignal): Promise<boolean> {
    if (!(await isArchived(this.#options.store, number, signal))) return false;
    await this.#rejoin(signal);
    return true;
  }

  /** True when there may be more. */
  async #foldPage(signal: AbortSignal): Promise<boolean> {
    const { store } = this.#options;
    const { folded } = this.#fold;
    const tip = folded.number;
    // The last known commit is listed too: if it is gone, this is not the log that it was.
    const page = await store.list(LOG_FOLDER, tip === 0 ? "" : commitName(tip - 1), signal);
    const numbers = page.names
      .map((name) => numberOf(name) ?? -1)
      .filter((number, index) => page.names[index] === commitName(number));
    if (numbers[0] !== tip) {
      await this.#rejoin(signal);
      return true;
    }
    const news = numbers.slice(1);
    if (news.length === 0) return false;
    const bodies = await inParallel(news, READS_MAX, (number) =>
      store.read(commitPath(number), signal),
    );
    // Only now: a commit that was read before the mark was may be a sleeper's, in an old number.
    if (await this.wentPast(tip + 1, signal)) return true;
    for (const [index, number] of news.entries()) {
      const where = commitPath(number);
      const bytes = bodies[index];
      if (number !== tip + 1 + index) throw corrupt(commitPath(tip + 1 + index), "is missing");
      if (!bytes) throw corrupt(where, "was listed and is not there");
      await this.take(number, decodeCommit(bytes, where, folded.log), signal);
    }
    return page.more && numbers.length === page.names.length;
  }

  /** Goes on at the newest checkpoint, of the same log and not behind what is known. */
  async #rejoin(signal: AbortSignal): Promise<void> {
    const { store, emit, rejoined } = this.#options;
    const { log, number } = this.#fold.folded;
    const fold = await checkpointOf(this.#options, signal);
    if (fold?.folded.log !== log || fold.folded.number <= number) {
      const message =
        `${store.locationOf(LOG_FOLDER)} has no commit ${number} of log ${log} any more: the ` +
        "folder was wiped, restored or changed for another. Stop everything that lands into it, " +
        "and give it the log it had, or the catalogs a new table";
      throw new LogForeignError(message);
    }
    this.#fold = fold;
    this.#newestCheckpoint = Math.max(this.#newestCheckpoint, fold.folded.number);
    emit({
      name: "landing_log.rejoined",
      level: "warn",
      message: `the log went on from commit ${number} to ${fold.folded.number} meanwhile: its state is read anew`,
      fields: { from: number, to: fold.folded.number },
    });
    rejoined();
  }
}

async function checkpointOf(
  { store, emit }: TailOptions,
  signal: AbortSignal,
): Promise<LogFold | undefined> {
  return newestCheckpoint(store, signal, (error) =>
    emit({
      name: "landing_log.checkpoint_damaged",
      level: "warn",
      message: `the checkpoint before it is used: ${error.message}`,
      error,
    }),
  );
}

async function foundingOf(options: TailOptions, signal: AbortSignal): Promise<LogFold> {
  const { store, founding, emit } = options;
  const where = commitPath(0);
  let bytes = await store.read(where, signal);
  if (!bytes) {
    const names = await store.list(LOG_FOLDER, "", signal);
    // Another process may have founded it between the two looks.
    if (names.names.includes(commitName(0))) return foundingOf(options, signal);
    const isUsed = names.names.some((name) => numberOf(name) !== undefined);
    if (isUsed || (await newestMark(store, signal)) > 0) {
      throw corrupt(
        where,
        "is missing, and so is every checkpoint, though there are later commits",
      );
    }
    const commit = founding();
    const outcome = await store.create(where, encodeCommit(commit), signal);
    if (outcome === "created") {
      const message = `${store.locationOf(LOG_FOLDER)} is a new log: ${commit.log}`;
      emit({
        name: "landing_log.founded",
        level: "info",
        message,
        fields: { version: LOG_VERSION },
      });
    }
    // Whoever came first founded it.
    bytes = await store.read(where, signal);
  }
  if (!bytes) throw corrupt(where, "was created and is not there");
  return LogFold.found(decodeCommit(bytes, where), where);
}
