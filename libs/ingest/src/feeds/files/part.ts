import { formatSequence, type Place } from "../../publisher/sequence.ts";
import { partitionOfKey } from "../../publisher/partition-of-key.ts";
import { isAfter } from "../../publisher/sequence.ts";
import type { Pace } from "../pace.ts";
import type { PlacedItem, Sink } from "../sink.ts";
import type { StreamCursor, StreamProgress } from "./progress.ts";
import type { ReplayFile } from "./replay-file.ts";

/** A stream of a replay: a file, or without one the generator. */
export interface Part {
  readonly file?: ReplayFile;
  readonly stream: StreamProgress;
}

/** One way through a replay. */
export interface Pass {
  readonly sink: Sink;
  readonly signal: AbortSignal;
  readonly pace: Pace;
  readonly postBytesMax: number;
  /** Of a loop, from 1. */
  readonly round: number;
  /** Records that are still wanted. */
  left: number;
}

/** An item on its way, and where its stream is with it. */
export interface Entry {
  readonly item: PlacedItem;
  readonly last: Place;
  readonly mark: number;
  /** Whether it may become a record; the rest is counted. */
  readonly isPost: boolean;
}

/** Entries that are appended together. */
export const ENTRIES_MAX = 1_000;

/** Records that a stream has made so far, those in the topic from before there was a spool included. */
export function recordsOf(sink: Sink, { name }: StreamProgress): number {
  const counts = sink.countsOf(name);
  return counts ? counts.posts + counts.deletions : 0;
}

/** Appends at the pace, and no more records than are wanted. */
export async function send(
  pass: Pass,
  stream: StreamProgress,
  entries: readonly Entry[],
): Promise<void> {
  for (let first = 0; first < entries.length && pass.left > 0;) {
    const rest = entries.slice(first, first + ENTRIES_MAX);
    const fresh = rest.filter(({ item, isPost }) => isPost && item.isPresent !== true).length;
    const most = Math.min(fresh, pass.left);
    const granted = most === 0 ? 0 : await pass.pace(most, pass.signal);
    const taken = takeSome(rest, granted, pass.left);
    await append(pass, stream, taken);
    first += taken.length;
  }
}

/** The first entries, with so many posts at most. */
function takeSome(entries: readonly Entry[], freshMax: number, postsMax: number): Entry[] {
  let fresh = 0;
  let posts = 0;
  const taken: Entry[] = [];
  for (const entry of entries) {
    if (entry.isPost) {
      if (entry.item.isPresent !== true) fresh += 1;
      posts += 1;
      if (fresh > freshMax || posts > postsMax) break;
    }
    taken.push(entry);
  }
  return taken;
}

async function append(pass: Pass, stream: StreamProgress, entries: readonly Entry[]) {
  const newest = entries.at(-1);
  if (!newest) return;
  const before = recordsOf(pass.sink, stream);
  await pass.sink.append(
    {
      items: entries.map(({ item }) => item),
      part: stream.name,
      partitions: stream.partitions,
      cursor: cursorOf(stream, newest.last, newest.mark),
    },
    pass.signal,
  );
  pass.left -= recordsOf(pass.sink, stream) - before;
}

export function cursorOf(stream: StreamProgress, last: Place, mark: number): string {
  const { partitions, settled } = stream;
  const isBehind = settled.every((place) => !isAfter(place, last));
  const cursor: StreamCursor = { last, mark, partitions, settled: isBehind ? [] : settled };
  return JSON.stringify(cursor);
}

/** Whether the topic has a post from before there was a spool. */
export function isSettled(stream: StreamProgress, key: Buffer, place: Place): boolean {
  if (stream.settled.length === 0) return false;
  const settled = stream.settled[partitionOfKey(key, stream.settled.length)];
  return settled !== undefined && !isAfter(place, settled);
}

export function originOf(stream: StreamProgress, place: Place, mark: number): string {
  const { name, partitions } = stream;
  return formatSequence({ stream: name, ...place, partitions, mark });
}
