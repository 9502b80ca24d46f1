import { gzipSync } from "node:zlib";
import { failpoint, type Emit } from "@hybridge/core";
import type { TableStore } from "../store-port.ts";
import { encodeArchive } from "./archive-codec.ts";
import { encodeCheckpoint, encodeReferences } from "./checkpoint-codec.ts";
import { encodeCommit } from "./commit-codec.ts";
import { LogFold } from "./fold.ts";
import { corrupt } from "./json-members.ts";
import { namesIn, newestCheckpoint, newestMark, numbersIn } from "./log-listing.ts";
import type { LogTail } from "./log-tail.ts";
import {
  archivePath,
  BLOCK_COMMITS,
  CHECKPOINT_COMMITS,
  checkpointPath,
  CHECKPOINTS_FOLDER,
  commitName,
  commitPath,
  LOG_FOLDER,
  markPath,
  MARKS_FOLDER,
  numberOf,
  removedFolder,
  removedName,
} from "./paths.ts";

/** Past the newest checkpoint: who comes by makes the one that its maker did not, */
const OVERDUE_COMMITS = 110;
/** and nobody commits any more before it is there. A start reads a commit a call. */
const BLOCKING_COMMITS = 130;
const CHECKPOINTS_KEPT = 10;
/** Commits between an archive and the newest checkpoint, over which ten checkpoints lie. */
const ARCHIVE_DISTANCE = 2_000;
/** Of archives, in case the process that was to make one died. */
const ARCHIVE_OVERDUE = 2_300;
const REMOVE_AT_ONCE = 100;

export interface MaintenanceOptions {
  readonly store: TableStore;
  readonly tail: LogTail;
  readonly emit: Emit;
}

/** A checkpoint as it is to be stored: the lists of removed files first. */
interface Capture {
  readonly number: number;
  readonly text: string;
  readonly lists: readonly { readonly path: string; readonly text: string }[];
}

/** Keeps the log small. Every step may be done twice, by any number of processes at once. */
export class Maintenance {
  readonly #store: TableStore;
  readonly #tail: LogTail;
  readonly #emit: Emit;
  #captured: Capture | undefined;
  /** Everything below is archived, as far as this process knows. */
  #mark: number | undefined;
  #running: Promise<void> | undefined;

  constructor({ store, tail, emit }: MaintenanceOptions) {
    this.#store = store;
    this.#tail = tail;
    this.#emit = emit;
  }

  /** Remembers the present state, whose number the distance of checkpoints divides. */
  captureCheckpoint(): void {
    this.#captured = captureOf(this.#tail.fold, this.#tail.newestCheckpoint);
  }

  /** One at a time in a process: who comes meanwhile waits for the same. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running ??= this.#run(signal).finally(() => (this.#running = undefined));
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const wrote = await this.#writeCaptured(signal);
    if (!wrote) await this.#writeOverdue(OVERDUE_COMMITS, signal);
    if (this.#mark === undefined) await this.#cleanUp(signal);
    await this.#archive(wrote ? ARCHIVE_DISTANCE : ARCHIVE_OVERDUE, signal);
  }

  /** A log that grows without checkpoints takes its readers ever longer: no commit before there is one. */
  async checkpointBeforeMore(signal: AbortSignal): Promise<void> {
    if (this.#distance() < BLOCKING_COMMITS) return;
    if (!(await this.#writeCaptured(signal))) await this.#writeOverdue(BLOCKING_COMMITS, signal);
  }

  #distance(): number {
    return this.#tail.fold.folded.number - this.#tail.newestCheckpoint;
  }

  async #writeCaptured(signal: AbortSignal): Promise<boolean> {
    const captured = this.#captured;
    if (!captured) return false;
    await this.#write(captured, signal);
    if (this.#captured === captured) this.#captured = undefined;
    return true;
  }

  /** Whoever committed the number that the distance divides has not written its checkpoint. */
  async #writeOverdue(distance: number, signal: AbortSignal): Promise<void> {
    if (this.#distance() < distance) return;
    await this.#tail.lookForCheckpoints(signal);
    if (this.#distance() < distance) return;
    const tip = this.#tail.fold.folded.number;
    const number = tip - (tip % CHECKPOINT_COMMITS);
    await this.#write(await this.#stateAfter(number, signal), signal);
  }

  /** The state after an earlier commit, folded from the checkpoint before it. */
  async #stateAfter(number: number, signal: AbortSignal): Promise<Capture> {
    const { source } = this.#tail;
    const before = await newestCheckpoint(this.#store, signal, () => undefined);
    const fold = before ?? (await this.#founded(signal));
    const known = before?.folded.number ?? 0;
    for await (const next of source.read(fold.folded.number + 1, number, signal)) {
      const brought = await source.satisfy(fold, fold.needsOf(next.commit), signal);
      fold.apply(next.number, next.commit, brought);
    }
    return captureOf(fold, known);
  }

  async #founded(signal: AbortSignal): Promise<LogFold> {
    for await (const { commit } of this.#tail.source.read(0, 0, signal)) {
      return LogFold.found(commit, commitPath(0));
    }
    throw corrupt(commitPath(0), "is missing");
  }

  async #write({ number, text, lists }: Capture, signal: AbortSignal): Promise<void> {
    const store = this.#store;
    for (const list of lists) {
      await store.create(list.path, gzipSync(list.text), signal);
      failpoint("landing-log.after-removed-list");
    }
    await store.create(checkpointPath(number), gzipSync(text), signal);
    failpoint("landing-log.after-checkpoint");
    this.#tail.sawCheckpoint(number);
    const old = (await numbersIn(store, CHECKPOINTS_FOLDER, signal)).slice(0, -CHECKPOINTS_KEPT);
    await this.#remove(old.map(checkpointPath), signal);
  }

  /** Archives block after block while the newest checkpoint is far enough above. */
  async #archive(distance: number, signal: AbortSignal): Promise<void> {
    if (this.#tail.newestCheckpoint < (this.#mark ?? 0) + distance) return;
    this.#mark = await newestMark(this.#store, signal);
    while (this.#tail.newestCheckpoint >= this.#mark + ARCHIVE_DISTANCE) {
      await this.#archiveBlock(this.#mark, signal);
      this.#mark += BLOCK_COMMITS;
      await this.#cleanUp(signal);
    }
  }

  async #archiveBlock(block: number, signal: AbortSignal): Promise<void> {
    const store = this.#store;
    const { source, fold } = this.#tail;
    const commits: Buffer[] = [];
    for await (const { commit, bytes } of source.read(block, block + BLOCK_COMMITS - 1, signal)) {
      // Without bytes it came from the archive: another process was faster.
      commits.push(bytes ?? encodeCommit(commit));
    }
    const archive = gzipSync(encodeArchive(commits));
    await store.create(archivePath(block), archive, signal);
    failpoint("landing-log.after-archive");
    const mark = block + BLOCK_COMMITS;
    await store.create(markPath(mark), Buffer.from(fold.folded.log), signal);
    failpoint("landing-log.after-mark");
    this.#emit({
      name: "landing_log.archived",
      level: "debug",
      message: `commits ${block} to ${mark - 1} are archived in ${archive.length} bytes`,
      fields: { from: block, to: mark - 1, bytes: archive.length },
    });
  }

  /** Removes what lies below the newest mark, and what nothing names any more. */
  async #cleanUp(signal: AbortSignal): Promise<void> {
    const store = this.#store;
    const marks = await numbersIn(store, MARKS_FOLDER, signal);
    const mark = marks.at(-1) ?? 0;
    this.#mark ??= mark;
    const old: string[] = [];
    for await (const name of namesIn(store, LOG_FOLDER, "", signal)) {
      const number = numberOf(name);
      if (number === undefined || number >= mark) break;
      if (name === commitName(number)) old.push(commitPath(number));
    }
    await this.#remove(old, signal);
    failpoint("landing-log.after-remove");
    await this.#remove(marks.slice(0, -1).map(markPath), signal);
    await this.#removeLists(signal);
  }

  /** Lists of removed files that a newer one stands for in every checkpoint that is kept. */
  async #removeLists(signal: AbortSignal): Promise<void> {
    const checkpoints = await numbersIn(this.#store, CHECKPOINTS_FOLDER, signal);
    const oldest = checkpoints[0] ?? 0;
    for (const block of this.#tail.fold.folded.removals.blocks()) {
      const { from, checkpoint } = block;
      if (checkpoint > oldest || checkpoint <= oldest - 2 * BLOCK_COMMITS) continue;
      const folder = removedFolder(from);
      const old: string[] = [];
      for await (const name of namesIn(this.#store, folder, removedName(from, 0), signal)) {
        if (name >= removedName(from, checkpoint)) break;
        old.push(`${folder}/${name}`);
      }
      await this.#remove(old, signal);
    }
  }

  async #remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    for (let index = 0; index < paths.length; index += REMOVE_AT_ONCE) {
      await this.#store.remove(paths.slice(index, index + REMOVE_AT_ONCE), signal);
    }
  }
}

/** @param known the greatest checkpoint that is stored, with its lists */
function captureOf(fold: LogFold, known: number): Capture {
  const { folded } = fold;
  const lists = folded.removals
    .blocks()
    .filter(({ checkpoint }) => checkpoint > known)
    .flatMap(({ from, checkpoint }) => {
      const references = folded.removals.referencesOf(from);
      if (!references) return [];
      const path = `${removedFolder(from)}/${removedName(from, checkpoint)}`;
      return [{ path, text: encodeReferences(references) }];
    });
  return { number: folded.number, text: encodeCheckpoint(fold), lists };
}
