import type { Sink } from "../sink.ts";
import { later, type Place, type Sequence } from "../../publisher/sequence.ts";
import type { Segment, SegmentFacts } from "./segment.ts";

/** How far one stream was read. */
export interface StreamProgress {
  /** Names the stream, also in the topic. */
  readonly name: string;
  /** How many partitions the keys are spread over; 0 when it is not known yet. */
  readonly partitions: number;
  /** The last place that was read; nothing: item -1. */
  readonly last: Place;
  /** By partition: what the topic has from before there was a spool. */
  readonly settled: readonly Place[];
}

/** What a cursor holds. */
export interface StreamCursor extends Omit<StreamProgress, "name"> {
  /** Checksum of the stream up to and with `last`. */
  readonly mark: number;
}

export interface Progress {
  /** By segment. */
  readonly streams: readonly StreamProgress[];
  /** "place 17 of a.json": the newest that there is of this replay. */
  readonly newest: string | undefined;
  /** Streams that are known and not of this replay. */
  readonly others: readonly string[];
}

/** A replay as its progress is looked for. */
export interface Replay {
  readonly segments: readonly Segment[];
  /** What an earlier version of ingest called all of it (by names and sizes of the files). */
  readonly oldStream: string;
}

export const NOTHING: Place = { item: -1, index: 0 };
const EVERYTHING: Place = { item: Number.MAX_SAFE_INTEGER, index: 0 };

/**
 * Compares what the spool knows with the content of the files. A stream is known by its first item,
 * and a file goes on with it only if its checksum at the place where the stream ended is the same:
 * then all that was read is the beginning of the file.
 */
export async function progressInSpool(
  { segments }: Replay,
  sink: Sink,
  signal: AbortSignal,
  inUse: ReadonlySet<string> = new Set(),
): Promise<Progress> {
  const known = new Map<string, StreamCursor>();
  for (const name of sink.parts()) {
    const cursor = sink.cursor(name);
    if (cursor?.startsWith("{") === true) known.set(name, JSON.parse(cursor) as StreamCursor);
  }
  const ends = [...known].map(([stream, { last, mark, partitions }]) => {
    return { stream, ...last, mark, partitions };
  });
  const taken = new Set(inUse);
  const streams: StreamProgress[] = [];
  let newest: string | undefined;
  for (const segment of segments) {
    const match = await longestMatch(segment, ends, taken, signal);
    const cursor = match && known.get(match.stream);
    const name = match?.stream ?? nextName(segment.stream, [...known.keys(), ...taken]);
    taken.add(name);
    if (match) newest = `place ${match.item} of ${segment.label}`;
    const nothing = { partitions: 0, last: NOTHING, settled: [] };
    streams.push({ ...nothing, ...cursor, name });
  }
  return { streams, newest, others: [...known.keys()].filter((name) => !taken.has(name)) };
}

/** By partition, then by stream, the last that a topic has. */
export type Lasts = ReadonlyMap<number, ReadonlyMap<string, Sequence>>;

/**
 * Compares what a topic has with the content of the files: for a spool that is new. Each partition has
 * all posts of a stream up to the last one that stands there, and may lack those behind it.
 */
export async function progressInTopic(
  { segments, oldStream }: Replay,
  lasts: Lasts,
  signal: AbortSignal,
): Promise<Progress> {
  const inTopic = new Set([...lasts.values()].flatMap((streams) => [...streams.keys()]));
  const taken = new Set<string>();
  const olds = await oldStandings({ segments, oldStream }, lasts, signal);
  if (olds.size > 0) taken.add(oldStream);
  const streams: StreamProgress[] = [];
  let newest: string | undefined;
  for (const [index, segment] of segments.entries()) {
    const match = await longestMatch(segment, endsIn(lasts), taken, signal);
    const name = match?.stream ?? nextName(segment.stream, [...inTopic, ...taken]);
    taken.add(name);
    if (match) newest = `place ${match.item} of ${segment.label}`;
    const old = [...olds.values()].find((each) => each.segment >= index);
    const partitions = Math.min(match?.partitions ?? old?.partitions ?? lasts.size, lasts.size);
    const settled = Array.from({ length: partitions }, (_, partition) => {
      const own = lasts.get(partition)?.get(name) ?? NOTHING;
      const { item, index: within } = later<Place>(own, oldPlace(olds.get(partition), index));
      return { item, index: within };
    });
    streams.push({ name, partitions, last: NOTHING, settled });
  }
  return { streams, newest, others: [...inTopic].filter((name) => !taken.has(name)) };
}

/** Where each stream ends, over all partitions. */
function endsIn(lasts: Lasts): Sequence[] {
  const ends = new Map<string, Sequence>();
  for (const streams of lasts.values()) {
    for (const [stream, last] of streams) {
      const known = ends.get(stream);
      ends.set(stream, known ? later(known, last) : last);
    }
  }
  return [...ends.values()];
}

/** Of the streams that a segment may be, the longest that it begins with. */
async function longestMatch(
  segment: Segment,
  ends: readonly Sequence[],
  taken: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Sequence | undefined> {
  const free = ends.filter(({ stream, item }) => {
    return baseOf(stream) === segment.stream && !taken.has(stream) && item >= 0;
  });
  if (free.length === 0) return undefined;
  const items = new Set(free.map(({ item }) => item));
  const { marks } = await segment.survey({ items, toEnd: false }, signal);
  return free
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

/** Where a partition stood when an earlier version counted through all files. */
interface OldStanding extends Place {
  readonly segment: number;
  readonly partitions: number;
}

async function oldStandings(
  { segments, oldStream }: Replay,
  lasts: Lasts,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, OldStanding>> {
  const standings = new Map<number, OldStanding>();
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

function oldStanding(
  segments: readonly Segment[],
  facts: readonly SegmentFacts[],
  { item, partitions }: Sequence,
): OldStanding {
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

function oldPlace(old: OldStanding | undefined, segment: number): Place {
  if (!old || old.segment < segment) return NOTHING;
  return old.segment > segment ? EVERYTHING : { item: old.item, index: 0 };
}
