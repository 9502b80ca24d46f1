import { invariant } from "@hybridge/core";
import type { PositionRun } from "@hybridge/kafka";
import type { LastBatch, PositionEntry, PositionScope, Writer } from "./format.ts";
import { RunList } from "./run-list.ts";

/** `count` records in a row that the target holds in a row, too. */
export interface NewRun extends PositionRun {
  /** The source's leader epoch under which the last of them was written; -1 when it is not known. */
  readonly epoch: number;
}

/** Where both sides go on, and what stands before that. */
export interface LedgerEnd {
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  /** The source's leader epoch of the last record. */
  readonly epoch: number;
  readonly lastBatch: LastBatch | undefined;
}

/** What is to be written down. */
export interface LedgerChanges {
  readonly entries: readonly PositionEntry[];
  /** Entries that are not needed any more: each under the epochs with which it was written. */
  readonly obsolete: readonly ObsoleteEntry[];
  /** It could not be written. */
  restore(): void;
}

export interface ObsoleteEntry {
  readonly scope: PositionScope;
  readonly sourceOffset: bigint;
  readonly writerEpoch: number;
}

const NOBODY: Writer = { producerId: -1n, producerEpoch: -1 };

interface Entry {
  readonly runs: RunList;
  readonly isDeadLetter: boolean;
  epoch: number;
  lastBatch: LastBatch | undefined;
  /** The epochs under which it stands in the topic, or is about to. */
  readonly writers: Set<number>;
}

/**
 * Which records of one partition are in the target, and where. Pure: it is told what was
 * acknowledged, and hands out what is to be written down.
 */
export class PositionLedger {
  readonly scope: PositionScope;
  readonly #entries: Entry[] = [];
  readonly #deadLetters: Entry[] = [];
  readonly #dirty = new Set<Entry>();
  #obsolete: ObsoleteEntry[] = [];
  /** Under whose name what is added is written down. */
  #writer: Writer;

  constructor(scope: PositionScope, writer: Writer = NOBODY) {
    this.scope = scope;
    this.#writer = writer;
  }

  /** The same owner has fenced anew. */
  renewed({ producerId, producerEpoch }: Writer): void {
    this.#writer = { producerId, producerEpoch };
  }

  /** Where to go on; undefined as long as nothing is known. */
  get end(): LedgerEnd | undefined {
    const last = this.#entries.at(-1);
    if (!last) return undefined;
    const { runs, epoch, lastBatch } = last;
    return { sourceOffset: runs.sourceEnd, targetOffset: runs.targetEnd, epoch, lastBatch };
  }

  /** The source offset after the last dead letter; 0 when there is none. */
  get deadLettersEnd(): bigint {
    return this.#deadLetters.at(-1)?.runs.sourceEnd ?? 0n;
  }

  get runs(): readonly PositionRun[] {
    return this.#entries.flatMap(({ runs }) => [...runs.runs()]);
  }

  /** How many entries hold all this. */
  get size(): number {
    return this.#entries.length + this.#deadLetters.length;
  }

  /** Takes an entry as it stands in the topic, in the order of source offsets. */
  load(entry: PositionEntry, writers: Iterable<number>): void {
    const { runs, isDeadLetter, epoch, lastBatch } = entry;
    const list = isDeadLetter ? this.#deadLetters : this.#entries;
    const last = list.at(-1)?.runs;
    const isBehind =
      !last ||
      (runs.sourceOffset >= last.sourceEnd &&
        (isDeadLetter || runs.targetOffset >= last.targetEnd));
    // Two owners cut the same records differently: what goes beyond the first of the two counts.
    if (!isBehind) this.adopt(entry);
    else list.push({ runs, isDeadLetter, epoch, lastBatch, writers: new Set(writers) });
  }

  /** Takes of another entry what goes beyond all that is known; it is written down as our own. */
  adopt({ runs, isDeadLetter, epoch }: PositionEntry): void {
    for (const run of runs.runs()) {
      const end = run.sourceOffset + run.count;
      const known = isDeadLetter ? this.deadLettersEnd : (this.end?.sourceOffset ?? 0n);
      if (end <= known) continue;
      const skipped = known > run.sourceOffset ? known - run.sourceOffset : 0n;
      const sourceOffset = run.sourceOffset + skipped;
      const count = run.count - skipped;
      if (isDeadLetter) this.addDeadLetter(sourceOffset, count);
      else {
        const targetOffset = run.targetOffset + skipped;
        if (targetOffset < (this.end?.targetOffset ?? 0n)) continue;
        this.add({ sourceOffset, targetOffset, count, epoch });
      }
    }
  }

  /** Takes records that the target has: behind all others, on both sides. */
  add({ epoch, ...run }: NewRun, lastBatch?: LastBatch): void {
    const last = this.#entries.at(-1);
    invariant(
      !last || (run.sourceOffset >= last.runs.sourceEnd && run.targetOffset >= last.runs.targetEnd),
      "positions are added in the order of both logs",
    );
    const isAppended = last?.runs.append(run) === true;
    const entry = isAppended ? last : this.#begin(this.#entries, run, false);
    entry.epoch = epoch;
    entry.lastBatch = lastBatch;
    this.#changed(entry);
  }

  /** Takes records that were put aside and have no target offset. */
  addDeadLetter(sourceOffset: bigint, count: bigint): void {
    const last = this.#deadLetters.at(-1);
    const targetOffset = last?.runs.targetEnd ?? 0n;
    const run = { sourceOffset, targetOffset, count };
    // What follows at once is the same entry: of 5,000 refused records there are not 5,000.
    const isAppended = last?.runs.sourceEnd === sourceOffset && last.runs.append(run);
    this.#changed(
      isAppended ? last : this.#begin(this.#deadLetters, { ...run, targetOffset: 0n }, true),
    );
  }

  isDeadLetter(sourceOffset: bigint): boolean {
    const { entry } = entryAfter(this.#deadLetters, ({ runs }) => runs.sourceEnd > sourceOffset);
    return entry !== undefined && sourceOffset >= entry.runs.sourceOffset;
  }

  /** The first target offset at or after a source offset; undefined beyond what is mirrored. */
  translate(sourceOffset: bigint): { targetOffset: bigint; exact: boolean } | undefined {
    const { entry } = entryAfter(this.#entries, ({ runs }) => runs.sourceEnd > sourceOffset);
    for (const run of entry?.runs.runs() ?? []) {
      if (sourceOffset < run.sourceOffset) return { targetOffset: run.targetOffset, exact: false };
      const behind = sourceOffset - run.sourceOffset;
      if (behind < run.count) return { targetOffset: run.targetOffset + behind, exact: true };
    }
    return undefined;
  }

  /** The source offset of the record that stands, or stood, at a target offset; undefined for none. */
  sourceOf(targetOffset: bigint): bigint | undefined {
    const { entry } = entryAfter(this.#entries, ({ runs }) => runs.targetEnd > targetOffset);
    for (const run of entry?.runs.runs() ?? []) {
      if (targetOffset < run.targetOffset) return undefined;
      const behind = targetOffset - run.targetOffset;
      if (behind < run.count) return run.sourceOffset + behind;
    }
    return undefined;
  }

  /** The last target offset before this one that holds, or held, a record. */
  lastBefore(targetOffset: bigint): bigint | undefined {
    const { index } = entryAfter(this.#entries, ({ runs }) => runs.targetOffset >= targetOffset);
    let last: bigint | undefined;
    for (const run of this.#entries[index - 1]?.runs.runs() ?? []) {
      if (run.targetOffset >= targetOffset) break;
      const end = run.targetOffset + run.count;
      last = (end < targetOffset ? end : targetOffset) - 1n;
    }
    return last;
  }

  /** The records that stand, or stood, from a target offset on. */
  from(targetOffset: bigint): { sourceFrom: bigint; targetFrom: bigint; records: bigint } {
    let first: { sourceFrom: bigint; targetFrom: bigint } | undefined;
    let records = 0n;
    const { index } = entryAfter(this.#entries, ({ runs }) => runs.targetEnd > targetOffset);
    for (const { runs } of this.#entries.slice(index)) {
      for (const run of runs.runs()) {
        const behind = targetOffset > run.targetOffset ? targetOffset - run.targetOffset : 0n;
        if (behind >= run.count) continue;
        records += run.count - behind;
        first ??= {
          sourceFrom: run.sourceOffset + behind,
          targetFrom: run.targetOffset + behind,
        };
      }
    }
    return { ...(first ?? { sourceFrom: 0n, targetFrom: targetOffset }), records };
  }

  /** Forgets the records from a target offset on, and what was put aside after the first of them. */
  cut(targetOffset: bigint): void {
    this.#cutDeadLetters(targetOffset);
    const { index } = entryAfter(this.#entries, ({ runs }) => runs.targetEnd > targetOffset);
    const removed = this.#entries.splice(index);
    for (const entry of removed) {
      const { runs, epoch } = entry;
      const kept = new PositionLedger(this.scope, this.#writer);
      for (const run of runs.runs()) {
        const left = targetOffset - run.targetOffset;
        if (left > 0n) kept.add({ ...run, count: left < run.count ? left : run.count, epoch });
      }
      const [first] = kept.#entries;
      this.#discard(entry);
      if (!first) continue;
      this.#entries.push(first);
      this.#changed(first);
    }
  }

  #cutDeadLetters(targetOffset: bigint): void {
    const { sourceFrom, records } = this.from(targetOffset);
    if (records === 0n) return;
    const { index } = entryAfter(this.#deadLetters, ({ runs }) => runs.sourceEnd > sourceFrom);
    for (const entry of this.#deadLetters.splice(index)) {
      this.#discard(entry);
      const { sourceOffset } = entry.runs;
      if (sourceOffset < sourceFrom) this.addDeadLetter(sourceOffset, sourceFrom - sourceOffset);
    }
  }

  /** Takes an entry out of the topic, too. */
  #discard(entry: Entry): void {
    this.#dirty.delete(entry);
    const { sourceOffset } = entry.runs;
    for (const writerEpoch of entry.writers) {
      this.#obsolete.push({ scope: this.scope, sourceOffset, writerEpoch });
    }
  }

  /** Forgets what neither log holds any more; the last entry says where to go on, and stays. */
  prune(sourceStart: bigint, targetStart: bigint): void {
    const isGone = ({ runs, isDeadLetter }: Entry) =>
      runs.sourceEnd <= sourceStart && (isDeadLetter || runs.targetEnd <= targetStart);
    for (const list of [this.#entries, this.#deadLetters]) {
      let gone = 0;
      while (gone < list.length - 1 && isGone(list[gone] as Entry)) gone += 1;
      for (const entry of list.splice(0, gone)) this.#discard(entry);
    }
  }

  /** Hands out what has changed; `restore` puts it back when it could not be written. */
  takeChanges(): LedgerChanges {
    const dirty = [...this.#dirty];
    // What is written again under its key must not be removed behind that.
    const isWritten = ({ sourceOffset, writerEpoch }: ObsoleteEntry) =>
      writerEpoch === this.#writer.producerEpoch &&
      dirty.some(({ runs }) => runs.sourceOffset === sourceOffset);
    const obsolete = this.#obsolete.filter((entry) => !isWritten(entry));
    this.#dirty.clear();
    this.#obsolete = [];
    return {
      entries: dirty.map((entry) => this.#written(entry, obsolete)),
      obsolete,
      restore: () => {
        for (const entry of dirty) this.#dirty.add(entry);
        this.#obsolete.unshift(...obsolete);
      },
    };
  }

  /** An entry under the present epoch; what former ones wrote of it is not needed behind that. */
  #written({ writers, ...entry }: Entry, obsolete: ObsoleteEntry[]): PositionEntry {
    const { scope } = this;
    const { sourceOffset } = entry.runs;
    for (const writerEpoch of writers) {
      if (writerEpoch !== this.#writer.producerEpoch)
        obsolete.push({ scope, sourceOffset, writerEpoch });
    }
    writers.clear();
    writers.add(this.#writer.producerEpoch);
    return { scope, writer: this.#writer, ...entry };
  }

  #begin(list: Entry[], run: PositionRun, isDeadLetter: boolean): Entry {
    const runs = new RunList(run);
    const entry = {
      runs,
      isDeadLetter,
      epoch: -1,
      lastBatch: undefined,
      writers: new Set<number>(),
    };
    list.push(entry);
    return entry;
  }

  #changed(entry: Entry): void {
    this.#dirty.add(entry);
  }
}

/** The first entry for which the predicate holds; it holds for all behind that one. */
function entryAfter(
  entries: readonly Entry[],
  predicate: (entry: Entry) => boolean,
): { readonly index: number; readonly entry: Entry | undefined } {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = entries[middle];
    if (entry && !predicate(entry)) low = middle + 1;
    else high = middle;
  }
  return { index: low, entry: entries[low] };
}
