import { gunzipSync } from "node:zlib";
import { checkVersion, LOG_VERSION, offsetsOf, referenceOf, topicOf } from "./commit-codec.ts";
import { Coverage } from "./coverage.ts";
import { LogFold, type FoldedLog, type LogCounters, type RecentGap } from "./fold.ts";
import {
  asCount,
  asList,
  asMembers,
  asOffset,
  corrupt,
  countIn,
  listIn,
  parseObject,
  proseIn,
  textIn,
  textsIn,
  wordIn,
  type Members,
} from "./json-members.ts";
import { AscendingNumbers } from "./number-set.ts";
import type { FileReference } from "./protocol.ts";
import { Removals } from "./removals.ts";

const GAP_REASONS = ["start", "retention", "recreated", "corrupt", "operator"] as const;
const COUNTERS = ["commits", "void", "files", "bytes", "rows", "dead", "gaps"] as const;

/** The text of a checkpoint. The same for everybody who has folded the same commits. */
export function encodeCheckpoint({ folded, floor }: LogFold): string {
  const { removals, counters } = folded;
  return JSON.stringify({
    log: folded.log,
    version: LOG_VERSION,
    table: folded.table,
    number: folded.number,
    at: folded.at,
    floor,
    sweeps: folded.sweeps.map(({ below, at }) => [below, at]),
    columns: Object.fromEntries([...folded.columns].sort(([a], [b]) => (a < b ? -1 : 1))),
    coverage: coverageText(folded.coverage),
    counters: Object.fromEntries(COUNTERS.map((name) => [name, counters[name]])),
    void: folded.voids.runs,
    gaps: folded.gaps.map((gap) => ({ ...gap, from: String(gap.from), to: String(gap.to) })),
    removedBelow: removals.below,
    removed: removals.blocks(),
  });
}

/** @throws LogCorruptError, LogVersionError */
export function decodeCheckpoint(bytes: Buffer, where: string): LogFold {
  const from = parseObject(gunzip(bytes, where), where);
  checkVersion(from["version"], where);
  const sweeps = listIn(from, "sweeps", where).map((value) => pairOf(value, where));
  const runs = listIn(from, "void", where).map((value) => pairOf(value, where));
  const folded: FoldedLog = {
    log: textIn(from, "log", where),
    table: textIn(from, "table", where),
    number: countIn(from, "number", where),
    at: countIn(from, "at", where),
    columns: columnsOf(from, where),
    coverage: coverageOf(from, where),
    removals: removalsOf(from, where),
    counters: countersOf(from, where),
    voids: new AscendingNumbers(runs),
    sweeps: sweeps.map(([below, at]) => ({ below, at })),
    gaps: listIn(from, "gaps", where).map((value) => gapOf(asMembers(value, where), where)),
  };
  const fold = new LogFold(folded);
  if (fold.floor === countIn(from, "floor", where)) return fold;
  throw corrupt(where, '"floor" is not what the last of "sweeps" says');
}

export function encodeReferences(references: readonly FileReference[]): string {
  return JSON.stringify(references.map(({ commit, path }) => ({ commit, path })));
}

/** @throws LogCorruptError */
export function decodeReferences(bytes: Buffer, where: string): FileReference[] {
  const { list } = parseObject(`{"list":${gunzip(bytes, where)}}`, where);
  return asList(list, "the whole", where).map((value) =>
    referenceOf(asMembers(value, where), where),
  );
}

export function gunzip(bytes: Buffer, where: string): string {
  try {
    return gunzipSync(bytes).toString("utf8");
  } catch (error) {
    throw corrupt(where, "is not compressed with gzip", error);
  }
}

function coverageText(coverage: Coverage): unknown[] {
  const topics = [...coverage.topics()].sort((a, b) =>
    a.cluster === b.cluster ? order(a.topicId, b.topicId) : order(a.cluster, b.cluster),
  );
  return topics.map(({ cluster, topic, topicId, partitions }) => ({
    cluster,
    topic,
    topicId,
    partitions: [...partitions]
      .sort(([a], [b]) => a - b)
      .map(([partition, { ranges, rows, dead }]) => ({
        partition,
        ranges: ranges.map((range) => [String(range.from), String(range.to)]),
        rows,
        dead,
      })),
  }));
}

function coverageOf(from: Members, where: string): Coverage {
  const coverage = new Coverage();
  for (const value of listIn(from, "coverage", where)) {
    const members = asMembers(value, where);
    const topic = topicOf(members, where);
    for (const each of listIn(members, "partitions", where)) {
      const partition = asMembers(each, where);
      const number = countIn(partition, "partition", where);
      let counts = {
        rows: countIn(partition, "rows", where),
        dead: countIn(partition, "dead", where),
      };
      for (const range of listIn(partition, "ranges", where)) {
        const [low, high] = asList(range, "a range", where);
        const bounds = { from: asOffset(low, "from", where), to: asOffset(high, "to", where) };
        coverage.cover({ ...topic, partition: number, ...bounds, ...counts });
        counts = { rows: 0, dead: 0 };
      }
    }
  }
  return coverage;
}

function removalsOf(from: Members, where: string): Removals {
  const removals = new Removals();
  removals.below = countIn(from, "removedBelow", where);
  for (const value of listIn(from, "removed", where)) {
    const block = asMembers(value, where);
    removals.restore({
      from: countIn(block, "from", where),
      checkpoint: countIn(block, "checkpoint", where),
      files: countIn(block, "files", where),
    });
  }
  return removals;
}

function columnsOf(from: Members, where: string): Map<string, readonly string[]> {
  const lists = asMembers(from["columns"], where);
  return new Map(Object.keys(lists).map((id) => [id, textsIn(lists, id, where)]));
}

function countersOf(from: Members, where: string): LogCounters {
  const members = asMembers(from["counters"], where);
  const count = (name: (typeof COUNTERS)[number]) => countIn(members, name, where);
  return {
    commits: count("commits"),
    void: count("void"),
    files: count("files"),
    bytes: count("bytes"),
    rows: count("rows"),
    dead: count("dead"),
    gaps: count("gaps"),
  };
}

function gapOf(from: Members, where: string): RecentGap {
  return {
    commit: countIn(from, "commit", where),
    at: countIn(from, "at", where),
    ...topicOf(from, where),
    partition: countIn(from, "partition", where),
    ...offsetsOf(from, where),
    why: wordIn(from, "why", GAP_REASONS, where),
    what: proseIn(from, "what", where),
  };
}

function pairOf(value: unknown, where: string): [number, number] {
  const [first, second] = asList(value, "a pair", where);
  return [asCount(first, "of a pair, the first", where), asCount(second, "the second", where)];
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
