import { invariant } from "@hybridge/core";
import type { PositionRun } from "@hybridge/kafka";
import type { PositionEntry } from "@hybridge/kafka/raw";

/** Whose runs they are. The ids tell a topic from one that was made again under its name. */
export type PositionOwner = Pick<
  PositionEntry,
  "sourceTopic" | "sourceTopicId" | "targetTopic" | "targetTopicId" | "partition"
>;

interface Run {
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  count: bigint;
  epoch: number;
  writerEpoch: number;
  readonly isDeadLetter: boolean;
}

/** `count` records in a row that the target holds in a row, too. */
export interface NewRun extends PositionRun {
  /** The source's leader epoch under which the last of them was written; -1 when it is not known. */
  readonly epoch: number;
}

/**
 * Which records of one partition are in the target, and where. Pure: it is told what was
 * acknowledged and hands out what is to be written down.
 */
export class PositionLedger {
  readonly owner: PositionOwner;
  readonly runs: Run[] = [];
  readonly deadLetters: Run[] = [];
  readonly #dirty = new Set<Run>();
  /** The producer epoch under which what is added is written down. */
  #writerEpoch: number;

  constructor(owner: PositionOwner, writerEpoch = -1) {
    this.owner = owner;
    this.#writerEpoch = writerEpoch;
  }

  /** The same owner has fenced anew. */
  renewed(writerEpoch: number): void {
    this.#writerEpoch = writerEpoch;
  }

  /** Source and target offset after the last known record, and the source's leader epoch of it. */
  get end(): { sourceOffset: bigint; targetOffset: bigint; epoch: number } | undefined {
    const last = this.runs.at(-1);
    return (
      last && {
        sourceOffset: last.sourceOffset + last.count,
        targetOffset: last.targetOffset + last.count,
        epoch: last.epoch,
      }
    );
  }

  /** Takes an entry that was read from the target. */
  load(entry: PositionEntry): void {
    const { sourceOffset, targetOffset, count, epoch, isDeadLetter, writerEpoch } = entry;
    const run = { sourceOffset, targetOffset, count, epoch, isDeadLetter, writerEpoch };
    (isDeadLetter ? this.deadLetters : this.runs).push(run);
  }

  /** Takes records that the target has: behind all others, on both sides. */
  add({ sourceOffset, targetOffset, count, epoch }: NewRun): void {
    const last = this.runs.at(-1);
    invariant(count > 0n, "a run has records");
    invariant(
      !last ||
        (sourceOffset >= last.sourceOffset + last.count &&
          targetOffset >= last.targetOffset + last.count),
      "positions are added in the order of both logs",
    );
    if (
      last &&
      last.sourceOffset + last.count === sourceOffset &&
      last.targetOffset + last.count === targetOffset
    ) {
      last.count += count;
      last.epoch = epoch;
      last.writerEpoch = this.#writerEpoch;
      this.#dirty.add(last);
      return;
    }
    const at = { sourceOffset, targetOffset, count, epoch };
    const run = { ...at, isDeadLetter: false, writerEpoch: this.#writerEpoch };
    this.runs.push(run);
    this.#dirty.add(run);
  }

  /** Takes records that were put aside and have no target offset. */
  addDeadLetter(sourceOffset: bigint, count: bigint): void {
    invariant(count > 0n, "a dead letter stands for something");
    const known = { sourceOffset, targetOffset: -1n, epoch: -1, isDeadLetter: true };
    const run = { ...known, count, writerEpoch: this.#writerEpoch };
    this.deadLetters.push(run);
    this.#dirty.add(run);
  }

  isDeadLetter(sourceOffset: bigint): boolean {
    return this.deadLetters.some(
      (run) => run.sourceOffset <= sourceOffset && sourceOffset < run.sourceOffset + run.count,
    );
  }

  /** The first target offset at or after a source offset; undefined beyond what is mirrored. */
  translate(sourceOffset: bigint): { targetOffset: bigint; exact: boolean } | undefined {
    const run = this.runs[firstRunEndingAfter(this.runs, sourceOffset)];
    if (!run) return undefined;
    if (sourceOffset < run.sourceOffset) return { targetOffset: run.targetOffset, exact: false };
    return { targetOffset: run.targetOffset + (sourceOffset - run.sourceOffset), exact: true };
  }

  /** Hands out what has changed; `restore` puts it back when it could not be written. */
  takeDirty(): { entries: PositionEntry[]; restore: () => void } {
    const runs = [...this.#dirty];
    this.#dirty.clear();
    return {
      entries: runs.map((run) => ({ ...this.owner, ...run })),
      restore: () => {
        for (const run of runs) this.#dirty.add(run);
      },
    };
  }
}

function firstRunEndingAfter(runs: readonly PositionRun[], sourceOffset: bigint): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const run = runs[middle];
    if (run && run.sourceOffset + run.count <= sourceOffset) low = middle + 1;
    else high = middle;
  }
  return low;
}
