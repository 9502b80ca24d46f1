import type {
  Action,
  CatalogPosition,
  FileReference,
  Following,
  LogFile,
  NumberedCommit,
} from "@hybridge/landing";
import type { CoveredRange } from "./load-sql.ts";

/** A file that is to be loaded, by the commit that brought it. */
export interface WantedFile extends FileReference {
  readonly bytes: number;
  readonly rows: number;
}

/** Files with the columns of one list, of consecutive commits. */
export interface WantedFiles {
  /** Names of the columns, in the order of the files. */
  readonly columns: readonly string[];
  readonly files: readonly WantedFile[];
  /** Files that were rewritten: what of them is loaded already is to be left out. */
  readonly isRewritten: boolean;
}

/** What a load takes: everything of the commits after `from`, up to and with `to`. */
export interface PlannedLoad {
  readonly from: CatalogPosition;
  readonly to: number;
  /** How many commits it takes, and how many bytes of files. */
  readonly commits: number;
  readonly bytes: number;
  /** One, but for a single commit that has files of several lists. */
  readonly wanted: readonly WantedFiles[];
  readonly ranges: readonly CoveredRange[];
}

/** How much one load takes at most; a single commit may have more. */
export interface LoadBounds {
  readonly commits: number;
  readonly bytes: number;
  readonly files: number;
  /** After neighbours are joined. */
  readonly ranges: number;
}

/**
 * The next load of commits that are to be followed: as many as are within the bounds and have files
 * of one column list. Files that a commit takes out, whichever and however much later, are not
 * loaded; files that were rewritten are, unless what they replace was loaded. What is put together
 * for queries (`replace`) is none of Redshift's business.
 *
 * @param after the last commit that is loaded
 */
export function planLoad(following: Following, after: number, bounds: LoadBounds): PlannedLoad {
  const { from, commits } = following;
  const fate = fatesOf(commits, from.number);
  const taken: { wanted: WantedFiles[]; ranges: CoveredRange[] } = { wanted: [], ranges: [] };
  const size = { commits: 0, bytes: 0, files: 0, ranges: 0 };
  const ends = new Map<string, bigint>();
  let to = after;
  for (const each of commits) {
    if (each.number <= after) continue;
    const wanted = wantedOf(each, fate, following.columns);
    const ranges = rangesOf(each);
    const next = {
      commits: size.commits + 1,
      bytes: size.bytes + sum(wanted, ({ files }) => sum(files, ({ bytes }) => bytes)),
      files: size.files + sum(wanted, ({ files }) => files.length),
      ranges:
        size.ranges + ranges.filter((range) => ends.get(partitionOf(range)) !== range.from).length,
    };
    const isWithin = (Object.keys(bounds) as (keyof LoadBounds)[]).every(
      (bound) => next[bound] <= bounds[bound],
    );
    if (size.commits > 0 && !(isWithin && canJoin(taken.wanted, wanted))) break;
    Object.assign(size, next);
    taken.wanted = join(taken.wanted, wanted);
    taken.ranges.push(...ranges);
    for (const range of ranges) ends.set(partitionOf(range), range.to);
    to = each.number;
  }
  // Numbers without a commit that counts are behind us too.
  const isEnd = commits.every(({ number }) => number <= to);
  return {
    from: { log: from.log, number: after },
    to: isEnd ? Math.max(to, following.to) : to,
    commits: size.commits,
    bytes: size.bytes,
    wanted: taken.wanted,
    ranges: joinRanges(taken.ranges),
  };
}

interface Fates {
  /** Files that are taken out, as `<commit>/<path>`; those that `erase` rewrote are among them. */
  readonly out: ReadonlySet<string>;
  /** All of commits below it. */
  readonly below: number;
  /** The `erase` actions whose files were loaded before. */
  readonly loaded: ReadonlySet<Action>;
}

function fatesOf(commits: readonly NumberedCommit[], loadedTo: number): Fates {
  const out = new Set<string>();
  const loaded = new Set<Action>();
  /** What a file that was put together stands for. */
  const parts = new Map<string, readonly FileReference[]>();
  let below = 0;
  for (const { number, commit } of commits) {
    for (const action of commit.actions) {
      if (action.do === "replace") {
        for (const { path } of action.files) parts.set(key({ commit: number, path }), action.out);
        continue;
      }
      if (!("out" in action)) {
        if (action.do === "expire") below = Math.max(below, action.below);
        continue;
      }
      const originals = action.out.flatMap((file) => partsOf(file, parts));
      for (const file of originals) out.add(key(file));
      const isLoaded = originals.every((file) => file.commit <= loadedTo);
      if (action.do === "erase" && isLoaded) loaded.add(action);
    }
  }
  return { out, below, loaded };
}

function partsOf(
  file: FileReference,
  parts: ReadonlyMap<string, readonly FileReference[]>,
): readonly FileReference[] {
  return parts.get(key(file))?.flatMap((part) => partsOf(part, parts)) ?? [file];
}

function wantedOf(
  { number, commit }: NumberedCommit,
  fate: Fates,
  columnsOf: Following["columns"],
): WantedFiles[] {
  const wanted: WantedFiles[] = [];
  for (const action of commit.actions) {
    const isRewritten = action.do === "erase";
    if (action.do !== "add" && !isRewritten) continue;
    if (fate.loaded.has(action) || number < fate.below) continue;
    const files = action.files
      .map((file) => wantedFile(number, file))
      .filter((file) => !fate.out.has(key(file)));
    if (files.length > 0) wanted.push({ columns: columnsOf(action.columns), files, isRewritten });
  }
  return wanted;
}

function wantedFile(commit: number, { path, bytes, rows }: LogFile): WantedFile {
  return { commit, path, bytes, rows };
}

/** Whether files of one commit may be in one load with those of the commits before it. */
function canJoin(before: readonly WantedFiles[], more: readonly WantedFiles[]): boolean {
  return before.length === 0 || more.length === 0 || join(before, more).length === 1;
}

/** Files by their column lists. */
function join(before: readonly WantedFiles[], more: readonly WantedFiles[]): WantedFiles[] {
  const joined = [...before];
  for (const each of more) {
    const at = joined.findIndex(
      ({ columns, isRewritten }) =>
        isRewritten === each.isRewritten && columns.join() === each.columns.join(),
    );
    const there = joined[at];
    if (there) joined[at] = { ...there, files: [...there.files, ...each.files] };
    else joined.push(each);
  }
  return joined;
}

function rangesOf({ commit }: NumberedCommit): CoveredRange[] {
  return commit.actions.flatMap((action): CoveredRange[] => {
    if (action.do === "gap") {
      const { topic, topicId, partition, from, to } = action;
      return [{ topic, topicId, partition, from, to, rows: 0, dead: 0 }];
    }
    if (action.do !== "advance") return [];
    const { topic, topicId } = action;
    return action.ranges.map(({ partition, from, to, rows, dead }) => {
      return { topic, topicId, partition, from, to, rows, dead };
    });
  });
}

/** Ranges of a partition that follow one another as one; the rest in the order of their offsets. */
function joinRanges(ranges: readonly CoveredRange[]): CoveredRange[] {
  const byPartition = Map.groupBy(ranges, partitionOf);
  return [...byPartition.values()].flatMap((all) => {
    const joined: CoveredRange[] = [];
    for (const each of all.toSorted((a, b) => (a.from < b.from ? -1 : 1))) {
      const last = joined.at(-1);
      if (last?.to === each.from) {
        joined[joined.length - 1] = {
          ...last,
          to: each.to,
          rows: last.rows + each.rows,
          dead: last.dead + each.dead,
        };
      } else joined.push(each);
    }
    return joined;
  });
}

function partitionOf({ topicId, partition }: CoveredRange): string {
  return `${partition} ${topicId}`;
}

function key({ commit, path }: FileReference): string {
  return `${commit}/${path}`;
}

function sum<T>(list: readonly T[], value: (each: T) => number): number {
  return list.reduce((total, each) => total + value(each), 0);
}
