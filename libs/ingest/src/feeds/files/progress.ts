import {
  EVERYTHING,
  NOTHING,
  WINDOW,
  type LogView,
  type ResumePoint,
} from "../../publisher/resume.ts";
import { later, type Place, type Sequence } from "../../publisher/sequence.ts";
import { nextBefore, NOTHING_BEFORE, type Segment, type SegmentFacts } from "./segment.ts";

/** A replay as its progress is looked for. */
export interface Replay {
  readonly segments: readonly Segment[];
  /** What an earlier version of ingest called all of it (by names and sizes of the files). */
  readonly oldStream: string;
}

/** The newest that a partition has of a replay. */
interface Standing extends Place {
  readonly segment: number;
  readonly partitions: number;
}

type Newest = ReadonlyMap<number, Sequence | undefined>;
type Lasts = ReadonlyMap<number, ReadonlyMap<string, Sequence>>;

/**
 * Compares the topic with the content of the files. A stream in the topic is known by its first
 * item, and a file goes on with it only if its checksum at the place where the stream ended is the
 * same: then all that is in the topic is the beginning of the file.
 *
 * Mostly the topic holds one run of this replay and nothing else: the last record of each partition
 * tells that (`before`), and so where it is. Otherwise the whole topic is read once, and each
 * stream is looked for by itself.
 */
export async function findProgress(
  replay: Replay,
  log: LogView,
  signal: AbortSignal,
): Promise<ResumePoint> {
  const newest = await log.newest();
  const run = await matchRun(replay, newest, signal);
  if (run) return progressOfRun(replay, log.partitions, run);
  return await progressByStream(replay, log.partitions, await log.all(), signal);
}

/** Name of a segment's stream in a topic that has nothing else: files that begin alike are numbered. */
function firstName(segments: readonly Segment[], index: number): string {
  const { stream = "" } = segments[index] ?? {};
  const twins = segments.slice(0, index).filter((each) => each.stream === stream);
  return `${stream}.${twins.length + 1}`;
}

interface Run {
  readonly standings: ReadonlyMap<number, Standing>;
  /** Items in the segments before each one that is known. */
  readonly bases: readonly number[];
}

/** The standing of every partition, if all belong to one run of this replay and nothing else. */
async function matchRun(
  { segments, oldStream }: Replay,
  newest: Newest,
  signal: AbortSignal,
): Promise<Run | undefined> {
  const names = segments.map((_, index) => firstName(segments, index));
  const found = [...newest].flatMap(([partition, last]) => (last ? [{ partition, last }] : []));
  const isOld = (last: Sequence) => last.stream === oldStream && last.mark === undefined;
  if (!found.every(({ last }) => isOld(last) || names.includes(last.stream))) return undefined;
  const hasOld = found.some(({ last }) => isOld(last));
  const reached = hasOld
    ? segments.length - 1
    : Math.max(0, ...found.map(({ last }) => names.indexOf(last.stream)));
  const facts: SegmentFacts[] = [];
  for (const [index, segment] of segments.slice(0, reached + 1).entries()) {
    const own = found.filter(({ last }) => last.stream === names[index]);
    const items = new Set(own.map(({ last }) => last.item));
    facts.push(await segment.survey({ items, toEnd: hasOld || index < reached }, signal));
  }
  const { bases, befores } = chain(segments, facts);
  const standings = new Map<number, Standing>();
  for (const { partition, last } of found) {
    if (isOld(last)) {
      standings.set(partition, oldStanding(segments, facts, last));
      continue;
    }
    const segment = names.indexOf(last.stream);
    const isSame =
      facts[segment]?.marks.get(last.item) === last.mark && befores[segment] === last.before;
    if (!isSame) return undefined;
    standings.set(partition, { ...last, segment });
  }
  return { standings, bases };
}

function chain(segments: readonly Segment[], facts: readonly SegmentFacts[]) {
  const bases: number[] = [];
  const befores: string[] = [];
  let base = 0;
  let before = NOTHING_BEFORE;
  for (const [index, { count = Infinity, mark }] of facts.entries()) {
    bases.push(base);
    befores.push(before);
    const segment = segments[index];
    if (segment) before = nextBefore(before, segment, count, mark);
    base += count;
  }
  return { bases, befores };
}

/** An earlier version counted through all files: where that is. */
function oldStanding(
  segments: readonly Segment[],
  facts: readonly SegmentFacts[],
  { item, partitions }: Sequence,
): Standing {
  let left = item;
  for (const [segment, each] of segments.entries()) {
    const count = each.oldCount(facts[segment]?.count ?? Infinity);
    if (left < count || segment === segments.length - 1) {
      return { segment, item: left, index: 0, partitions };
    }
    left -= count;
  }
  return { segment: 0, item: -1, index: 0, partitions };
}

function progressOfRun(
  { segments }: Replay,
  topicPartitions: number,
  { standings, bases }: Run,
): ResumePoint {
  const all = [...standings.values()];
  const newest = all.reduce<Standing | undefined>((best, each) => {
    return !best || isBehind(best, each) ? each : best;
  }, undefined);
  /** Of all segments together: up to here everything is settled in every partition. */
  const floor = newest ? (bases[newest.segment] ?? 0) + newest.item - WINDOW : -1;
  const streams = segments.map((_, index) => {
    const own = all.find(({ segment }) => segment === index);
    const base = bases[index];
    // A stream that has not begun is spread over what the topic has now.
    const began = base === undefined ? own : (own ?? newest);
    const partitions = Math.min(began?.partitions ?? topicPartitions, topicPartitions);
    const low = base === undefined ? NOTHING : floorIn(floor, base, bases[index + 1]);
    const settled = Array.from({ length: partitions }, (_unused, partition) => {
      const standing = standings.get(partition);
      if (!standing || standing.segment < index) return low;
      return standing.segment > index ? EVERYTHING : later<Place>(standing, low);
    });
    return { name: firstName(segments, index), partitions, settled };
  });
  return { streams, isAlone: true, newest: told(segments, newest), otherStreams: [] };
}

function isBehind(one: Standing, other: Standing): boolean {
  return one.segment < other.segment || (one.segment === other.segment && one.item < other.item);
}

function floorIn(floor: number, base: number, ended: number | undefined): Place {
  if (floor < base) return NOTHING;
  if (ended !== undefined && floor >= ended) return EVERYTHING;
  return { item: floor - base, index: Infinity };
}

function told(segments: readonly Segment[], newest: Standing | undefined): string | undefined {
  return newest && `place ${newest.item} of ${segments[newest.segment]?.label ?? "it"}`;
}

/** Each stream by itself, wherever in the topic it is. */
async function progressByStream(
  { segments, oldStream }: Replay,
  topicPartitions: number,
  lasts: Lasts,
  signal: AbortSignal,
): Promise<ResumePoint> {
  const inTopic = new Set([...lasts.values()].flatMap((streams) => [...streams.keys()]));
  const taken = new Set<string>();
  const olds = await oldStandings({ segments, oldStream }, lasts, signal);
  if (olds.size > 0) taken.add(oldStream);
  const streams: ResumePoint["streams"][number][] = [];
  let newest: Standing | undefined;
  for (const [index, segment] of segments.entries()) {
    const free = [...inTopic].filter((name) => baseOf(name) === segment.stream && !taken.has(name));
    const match = await longestMatch(segment, free, lasts, signal);
    const name = match?.stream ?? nextName(segment.stream, [...inTopic, ...taken]);
    taken.add(name);
    const isReached = match ?? [...olds.values()].some((old) => old.segment >= index);
    if (match) newest = { ...match, segment: index };
    const oldest = [...olds.values()][0];
    const partitions = match?.partitions ?? (isReached ? oldest?.partitions : undefined);
    const spread = Math.min(partitions ?? topicPartitions, topicPartitions);
    const low: Place = match ? { item: match.item - WINDOW, index: Infinity } : NOTHING;
    const settled = Array.from({ length: spread }, (_, partition) => {
      const own = lasts.get(partition)?.get(name) ?? NOTHING;
      return later<Place>(later<Place>(own, low), oldPlace(olds.get(partition), index));
    });
    streams.push({ name, partitions: spread, settled });
  }
  const otherStreams = [...inTopic].filter((name) => !taken.has(name));
  return { streams, isAlone: false, newest: told(segments, newest), otherStreams };
}

function oldPlace(old: Standing | undefined, segment: number): Place {
  if (!old || old.segment < segment) return NOTHING;
  return old.segment > segment ? EVERYTHING : old;
}

async function oldStandings(
  { segments, oldStream }: Replay,
  lasts: Lasts,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Standing>> {
  const standings = new Map<number, Standing>();
  const facts: SegmentFacts[] = [];
  for (const [partition, streams] of lasts) {
    const last = streams.get(oldStream);
    if (!last) continue;
    if (facts.length === 0) {
      const whole = { items: new Set<number>(), toEnd: true };
      for (const segment of segments) facts.push(await segment.survey(whole, signal));
    }
    standings.set(partition, oldStanding(segments, facts, last));
  }
  return standings;
}

/** Of the streams that a segment may be, the longest that it begins with. */
async function longestMatch(
  segment: Segment,
  names: readonly string[],
  lasts: Lasts,
  signal: AbortSignal,
): Promise<Sequence | undefined> {
  const ends = names.flatMap((name) => {
    const found = [...lasts.values()].flatMap((streams) => streams.get(name) ?? []);
    const [first, ...rest] = found;
    return first ? [rest.reduce((end, each) => later(end, each), first)] : [];
  });
  const items = new Set(ends.map(({ item }) => item));
  const { marks } = await segment.survey({ items, toEnd: false }, signal);
  return ends
    .filter(({ item, mark }) => mark !== undefined && marks.get(item) === mark)
    .reduce<Sequence | undefined>((best, each) => (best ? later(best, each) : each), undefined);
}

function baseOf(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

function nextName(stream: string, names: readonly string[]): string {
  const numbers = names
    .filter((name) => baseOf(name) === stream)
    .map((name) => Number(name.slice(stream.length + 1)));
  return `${stream}.${Math.max(0, ...numbers) + 1}`;
}
