import { invariant } from "@hybridge/core";
import { checkVersion } from "./commit-codec.ts";
import { Coverage, type PartitionRange } from "./coverage.ts";
import { LogCorruptError, LogForeignError } from "./errors.ts";
import { AscendingNumbers } from "./number-set.ts";
import type {
  Action,
  Commit,
  FileReference,
  GapReason,
  TopicKey,
  OffsetRange,
} from "./protocol.ts";
import { Removals, type RemovedBlock } from "./removals.ts";

const RECENT_GAPS = 100;
const SWEEPS_KEPT_MS = 2 * 24 * 3_600_000;

/** Why a commit has no effect. */
export type Refusal =
  /** These offsets are covered by others. */
  | { readonly kind: "lost"; readonly ranges: readonly PartitionRange[] }
  /** A sweep has passed its base: its files may be gone. */
  | { readonly kind: "swept" }
  /** Something else that its writer should have known. */
  | { readonly kind: "refused"; readonly reason: string };

export interface LogCounters {
  /** Commits that count, the first included. */
  commits: number;
  void: number;
  /** Files that `add` brought, and their bytes. */
  files: number;
  bytes: number;
  /** Of `advance`. */
  rows: number;
  dead: number;
  /** Without those of `start`. */
  gaps: number;
}

/** A gap with its place in the log. */
export interface RecentGap extends TopicKey, OffsetRange {
  readonly commit: number;
  readonly at: number;
  readonly partition: number;
  readonly why: GapReason;
  readonly what: string;
}

/** A commit that raised the floor. */
export interface Sweep {
  readonly below: number;
  readonly at: number;
}

/** What has to be known before a commit that takes files out can be judged. */
export interface Needs {
  readonly removed: readonly RemovedBlock[];
  /** Commits that brought the files. */
  readonly commits: readonly number[];
}

/** Paths of the files that a commit brought; undefined when it has not been loaded. */
export type Brought = (commit: number) => ReadonlySet<string> | undefined;

export const nothingBrought: Brought = () => undefined;

/** What a checkpoint holds, and what the fold begins with. */
export interface FoldedLog {
  readonly log: string;
  readonly table: string;
  /** Of the last commit that is in it. */
  number: number;
  /** The greatest `at` of its commits. */
  at: number;
  readonly columns: Map<string, readonly string[]>;
  readonly coverage: Coverage;
  readonly removals: Removals;
  readonly counters: LogCounters;
  readonly voids: AscendingNumbers;
  /** Ascending in both. */
  readonly sweeps: Sweep[];
  /** The newest last. */
  readonly gaps: RecentGap[];
}

/**
 * The state of a log after a commit: a function of the commits up to it and of nothing else. Pure:
 * it reads no store and no clock.
 */
export class LogFold {
  readonly folded: FoldedLog;

  constructor(folded: FoldedLog) {
    this.folded = folded;
  }

  /** The state after commit 0. */
  static found(commit: Commit, where: string): LogFold {
    checkVersion(commit.version, where);
    if (commit.table === undefined || commit.base !== 0 || commit.actions.length > 0) {
      throw new LogCorruptError(
        `${where} does not found a log: it has a base, actions or no table`,
      );
    }
    const { log, table, at } = commit;
    const counters = { commits: 1, void: 0, files: 0, bytes: 0, rows: 0, dead: 0, gaps: 0 };
    return new LogFold({
      log,
      table,
      number: 0,
      at,
      columns: new Map(),
      coverage: new Coverage(),
      removals: new Removals(),
      counters,
      voids: new AscendingNumbers(),
      sweeps: [],
      gaps: [],
    });
  }

  get floor(): number {
    return this.folded.sweeps.at(-1)?.below ?? 0;
  }

  /** What must be loaded before `refusalOf` and `apply` can judge a commit. Empty for most. */
  needsOf(commit: Commit): Needs {
    const out = [...takenOut(commit)];
    if (out.length === 0) return { removed: [], commits: [] };
    const known = out.filter((file) => file.commit <= this.folded.number);
    return {
      removed: this.folded.removals.missing(known),
      commits: [...new Set(known.map((file) => file.commit))],
    };
  }

  /** Why a commit would have no effect if it came next; undefined when it would count. */
  refusalOf(commit: Commit, brought: Brought = nothingBrought): Refusal | undefined {
    const next = this.folded.number + 1;
    if (commit.base < this.floor) return { kind: "swept" };
    if (commit.base >= next) {
      return refused(`its base ${commit.base} is not below its own number ${next}`);
    }
    const ranges = this.folded.coverage.conflictsOf(commit);
    if (ranges.length > 0) return { kind: "lost", ranges };
    return this.#refusalOfColumns(commit) ?? this.#refusalOfFiles(commit, next, brought);
  }

  /** Takes the next commit in. Answers why it is void; undefined when it counts. */
  apply(number: number, commit: Commit, brought: Brought = nothingBrought): Refusal | undefined {
    const { folded } = this;
    invariant(number === folded.number + 1, `commit ${number} after ${folded.number}`);
    if (commit.log !== folded.log) {
      throw new LogForeignError(`commit ${number} is of log ${commit.log}, not of ${folded.log}`);
    }
    const refusal = this.refusalOf(commit, brought);
    folded.number = number;
    if (refusal) {
      folded.voids.push(number);
      folded.counters.void += 1;
      return refusal;
    }
    folded.counters.commits += 1;
    folded.at = Math.max(folded.at, commit.at);
    for (const action of commit.actions) this.#take(action, number, commit.at);
    return undefined;
  }

  /** Whether a file of a commit is there for queries. Needs what `needsOf` a commit with it says. */
  isLive(file: FileReference, brought: Brought): boolean {
    const { removals, voids, number } = this.folded;
    if (file.commit > number || voids.has(file.commit)) return false;
    return (brought(file.commit)?.has(file.path) ?? false) && !removals.isOut(file);
  }

  #take(action: Action, number: number, at: number): void {
    const { coverage, counters, removals, columns } = this.folded;
    coverage.apply(action);
    switch (action.do) {
      case "advance":
        for (const range of action.ranges) {
          counters.rows += range.rows;
          counters.dead += range.dead;
        }
        return;
      case "gap":
        this.#takeGap(action, number, at);
        return;
      case "columns":
        columns.set(action.id, action.names);
        return;
      case "add":
        counters.files += action.files.length;
        for (const file of action.files) counters.bytes += file.bytes;
        return;
      case "dead":
        return;
      case "sweep":
        this.#takeSweep(action.below, at);
        return;
      case "expire":
        if ("below" in action) removals.takeOutBelow(action.below);
        else for (const file of action.out) removals.takeOut(file, number);
        return;
      case "replace":
      case "quarantine":
      case "erase":
        for (const file of action.out) removals.takeOut(file, number);
    }
  }

  #takeGap(action: Extract<Action, { do: "gap" }>, commit: number, at: number): void {
    if (action.why === "start") return;
    const { cluster, topic, topicId, partition, from, to, why, what } = action;
    const { gaps, counters } = this.folded;
    counters.gaps += 1;
    gaps.push({ commit, at, cluster, topic, topicId, partition, from, to, why, what });
    if (gaps.length > RECENT_GAPS) gaps.shift();
  }

  #takeSweep(below: number, at: number): void {
    const { sweeps } = this.folded;
    if (below <= this.floor) return;
    sweeps.push({ below, at: Math.max(at, sweeps.at(-1)?.at ?? 0) });
    // Two days suffice: what they swept is removed for the second time after one.
    while ((sweeps[1]?.at ?? Infinity) <= this.folded.at - SWEEPS_KEPT_MS) sweeps.shift();
  }

  #refusalOfColumns(commit: Commit): Refusal | undefined {
    const own = new Map<string, readonly string[]>();
    for (const action of commit.actions) {
      if (action.do === "columns") {
        const known = this.folded.columns.get(action.id) ?? own.get(action.id);
        if (known && !sameTexts(known, action.names)) {
          return refused(`column list ${action.id} is known with other names`);
        }
        own.set(action.id, action.names);
      } else if ("columns" in action) {
        if (this.folded.columns.has(action.columns) || own.has(action.columns)) continue;
        return refused(`column list ${action.columns} is not known`);
      }
    }
    return undefined;
  }

  #refusalOfFiles(commit: Commit, next: number, brought: Brought): Refusal | undefined {
    for (const action of commit.actions) {
      if (!("below" in action) || action.below <= next) continue;
      return refused(`${action.do} below ${action.below} is above its own number ${next}`);
    }
    const own = new Set<string>();
    let below = 0;
    for (const action of commit.actions) {
      if (action.do === "expire" && "below" in action) below = Math.max(below, action.below);
      for (const file of outOf(action)) {
        const key = `${file.commit} ${file.path}`;
        if (own.has(key) || file.commit < below || !this.isLive(file, brought)) {
          return refused(`${file.path} of commit ${file.commit} is not live`);
        }
        own.add(key);
      }
    }
    return undefined;
  }
}

/** Paths that a commit brought. */
export function broughtBy(commit: Commit): Set<string> {
  const paths = new Set<string>();
  for (const action of commit.actions) {
    if (!("files" in action)) continue;
    for (const file of action.files) paths.add(file.path);
  }
  return paths;
}

function* takenOut(commit: Commit): Generator<FileReference> {
  for (const action of commit.actions) yield* outOf(action);
}

function outOf(action: Action): readonly FileReference[] {
  return "out" in action ? action.out : [];
}

function refused(reason: string): Refusal {
  return { kind: "refused", reason };
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
