import { LogCorruptError } from "./errors.ts";
import { BLOCK_COMMITS, blockOf, CHECKPOINT_COMMITS, removedFolder, removedName } from "./paths.ts";
import type { FileReference } from "./protocol.ts";

/** Files that are taken out, of the commits from `from` on, a thousand of them. */
export interface RemovedBlock {
  readonly from: number;
  /** The first checkpoint at or above the last commit that took a file of the block out. */
  readonly checkpoint: number;
  readonly files: number;
}

interface Block {
  readonly from: number;
  checkpoint: number;
  files: number;
  /** References as text; undefined while they lie in the store only. */
  references: Set<string> | undefined;
}

/**
 * Which files are taken out: a set of references in blocks of a thousand commits. Blocks lie in the
 * store and are loaded when a commit takes files of them out, and let go when they are stored again.
 */
export class Removals {
  /** Every file of commits below is taken out. */
  below = 0;
  readonly #blocks = new Map<number, Block>();

  /** Blocks that must be loaded before it can be told whether these files are out. */
  missing(references: Iterable<FileReference>): RemovedBlock[] {
    const missing = new Map<number, RemovedBlock>();
    for (const { commit } of references) {
      const block = this.#blocks.get(blockOf(commit));
      if (block && !block.references) missing.set(block.from, described(block));
    }
    return [...missing.values()];
  }

  /** What the object of a block holds. */
  load(block: RemovedBlock, references: readonly FileReference[]): void {
    const known = this.#blocks.get(block.from);
    if (!known || known.references || known.checkpoint !== block.checkpoint) return;
    if (references.length !== known.files) {
      const { from, checkpoint } = block;
      const path = `${removedFolder(from)}/${removedName(from, checkpoint)}`;
      const message = `${path} has ${references.length} files, its checkpoint says ${known.files}`;
      throw new LogCorruptError(message);
    }
    known.references = new Set(references.map(keyOf));
  }

  /** A block as a checkpoint names it. */
  restore({ from, checkpoint, files }: RemovedBlock): void {
    this.#blocks.set(from, { from, checkpoint, files, references: undefined });
  }

  /** Its block must be loaded. */
  isOut(reference: FileReference): boolean {
    if (reference.commit < this.below) return true;
    return this.#blocks.get(blockOf(reference.commit))?.references?.has(keyOf(reference)) ?? false;
  }

  /** Takes a file out by commit `number`. Its block must be loaded. */
  takeOut(reference: FileReference, number: number): void {
    const from = blockOf(reference.commit);
    let block = this.#blocks.get(from);
    if (!block) {
      block = { from, checkpoint: 0, files: 0, references: new Set() };
      this.#blocks.set(from, block);
    }
    block.references?.add(keyOf(reference));
    block.files += 1;
    block.checkpoint = Math.ceil(number / CHECKPOINT_COMMITS) * CHECKPOINT_COMMITS;
  }

  takeOutBelow(below: number): void {
    this.below = Math.max(this.below, below);
    for (const from of this.#blocks.keys()) {
      if (from + BLOCK_COMMITS <= this.below) this.#blocks.delete(from);
    }
  }

  /** In the order of their commits. */
  blocks(): RemovedBlock[] {
    return [...this.#blocks.values()].sort((a, b) => a.from - b.from).map(described);
  }

  /** What is in memory of a block, in the order of commits and paths; undefined when nothing is. */
  referencesOf(from: number): FileReference[] | undefined {
    const references = this.#blocks.get(from)?.references;
    return references && [...references].map(referenceOf).sort(inOrder);
  }

  /** A checkpoint is stored, and with it what it names: memory may be given back. */
  stored(checkpoint: number): void {
    for (const block of this.#blocks.values()) {
      if (block.checkpoint <= checkpoint) block.references = undefined;
    }
  }
}

function described({ from, checkpoint, files }: Block): RemovedBlock {
  return { from, checkpoint, files };
}

function keyOf({ commit, path }: FileReference): string {
  return `${commit} ${path}`;
}

function referenceOf(key: string): FileReference {
  const space = key.indexOf(" ");
  return { commit: Number(key.slice(0, space)), path: key.slice(space + 1) };
}

function inOrder(a: FileReference, b: FileReference): number {
  if (a.commit !== b.commit) return a.commit - b.commit;
  return a.path < b.path ? -1 : 1;
}
