import type { TableStore } from "../store-port.ts";
import { Archive } from "./archive-codec.ts";
import { decodeReferences } from "./checkpoint-codec.ts";
import { decodeCommit } from "./commit-codec.ts";
import { broughtBy, type Brought, type LogFold, type Needs } from "./fold.ts";
import { inParallel } from "./in-parallel.ts";
import { corrupt } from "./json-members.ts";
import { newestMark } from "./log-listing.ts";
import {
  archivePath,
  BLOCK_COMMITS,
  blockOf,
  commitPath,
  removedFolder,
  removedName,
} from "./paths.ts";
import type { Commit, NumberedCommit } from "./protocol.ts";

/** Small reads under way at once. */
export const READS_MAX = 16;
const WINDOW_COMMITS = 64;

/** A commit as it was read, void ones included. */
export interface StoredCommit extends NumberedCommit {
  /** Where it lay; undefined when it came from an archive. */
  readonly bytes?: Buffer;
}

/** Commits by their numbers, wherever they lie. */
export class CommitSource {
  readonly #store: TableStore;
  readonly #log: string;
  #mark = 0;
  #cached: Archive | undefined;

  constructor(store: TableStore, log: string) {
    this.#store = store;
    this.#log = log;
  }

  /** Commits `from` to `to`, in order. What comes next is read while the caller is at work. */
  async *read(from: number, to: number, signal: AbortSignal): AsyncGenerator<StoredCommit> {
    if (from > to) return;
    let ahead = this.#piece(from, to, signal);
    for (let next = from; next <= to;) {
      const piece = await ahead;
      next += piece.length;
      ahead = next <= to ? this.#piece(next, to, signal) : Promise.resolve([]);
      // Whoever stops reading does not wait for it.
      ahead.catch(() => undefined);
      for (const read of piece) yield read();
    }
  }

  /** Loads what a fold needs to judge a commit; answers which files the commits in question brought. */
  async satisfy(fold: LogFold, needs: Needs, signal: AbortSignal): Promise<Brought> {
    await inParallel(needs.removed, READS_MAX, async (block) => {
      const path = `${removedFolder(block.from)}/${removedName(block.from, block.checkpoint)}`;
      const bytes = await this.#store.read(path, signal);
      if (!bytes) throw corrupt(path, "is not there, though a checkpoint names it");
      fold.folded.removals.load(block, decodeReferences(bytes, path));
    });
    const brought = new Map<number, Set<string>>();
    for (const number of [...needs.commits].sort((a, b) => a - b)) {
      // Commits of one block come from one archive: the next call has it still.
      for await (const { commit } of this.read(number, number, signal)) {
        brought.set(number, broughtBy(commit));
      }
    }
    return (number) => brought.get(number);
  }

  /** The next commits, from an archive or one by one; each is decoded when it is taken. */
  async #piece(from: number, to: number, signal: AbortSignal): Promise<(() => StoredCommit)[]> {
    const archived = await this.#archived(from, to, signal);
    if (archived) return archived;
    const end = Math.min(to, from + WINDOW_COMMITS - 1);
    const numbers = Array.from({ length: end - from + 1 }, (_, index) => from + index);
    const bodies = await inParallel(numbers, READS_MAX, (number) =>
      this.#store.read(commitPath(number), signal),
    );
    // Read before the mark was: whatever it now is above may have been somebody else's.
    const since = await this.#archived(from, to, signal);
    if (since) return since;
    return numbers.map((number, index) => () => {
      const bytes = bodies[index];
      const where = commitPath(number);
      if (!bytes) throw corrupt(where, "is missing, and no archive has it");
      return { number, commit: decodeCommit(bytes, where, this.#log), bytes };
    });
  }

  async #archived(
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<(() => StoredCommit)[] | undefined> {
    // Marks only rise.
    if (from >= this.#mark) this.#mark = await newestMark(this.#store, signal);
    if (from >= this.#mark) return undefined;
    const archive = await this.#archive(blockOf(from), signal);
    const count = Math.min(to + 1, archive.block + BLOCK_COMMITS) - from;
    return Array.from({ length: count }, (_, index) => () => {
      const commit: Commit = archive.commit(from + index, this.#log);
      return { number: from + index, commit };
    });
  }

  async #archive(block: number, signal: AbortSignal): Promise<Archive> {
    if (this.#cached?.block === block) return this.#cached;
    const bytes = await this.#store.read(archivePath(block), signal);
    if (!bytes) throw corrupt(archivePath(block), "is missing, though a mark is above it");
    this.#cached = new Archive(block, bytes);
    return this.#cached;
  }
}
