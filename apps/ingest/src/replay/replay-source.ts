import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Clock } from "@hybridge/core";
import { postAt, readPosts, type Reading } from "@hybridge/tweet";
import type { DeadLetters } from "../dead-letters.ts";
import { startPace, type Pace } from "../pace.ts";
import type { Chunk, PostSource, SourcePost } from "../source.ts";
import { itemsOf, openReplayFile, type Item, type ReplayFile } from "./items.ts";
import { rememberIds, type RecentIds } from "./recent-ids.ts";

/** What to replay, and how fast. */
export interface ReplayOptions {
  readonly files: readonly string[];
  /** Posts in all, those of the files first; 0 for no end. */
  readonly posts: number;
  /** Posts per second; 0 for as fast as it goes. */
  readonly rate: number;
  readonly seed: number;
  /** Time of the first generated post. */
  readonly epochMs: number;
  /** A larger post is a dead letter. */
  readonly postBytesMax: number;
  readonly deadLetters: DeadLetters;
  /** Told of what was left out of the stream. */
  readonly onLeftOut: (
    what: "dead-letter" | "duplicate",
    file: string,
    item: Item,
    reason: string,
  ) => void;
  readonly clock: Clock;
}

/** Ids of files that are remembered to leave duplicates out. */
const IDS_REMEMBERED = 500_000;
const POSTS_PER_CHUNK = 250;

/**
 * The posts of some files and then those of the generator. The ordinal of a post is its place in
 * that sequence, counting everything in the files that is not blank: what is refused or doubled
 * has an ordinal too, so that the limits may change and the places stay.
 *
 * @throws ConfigError when a file is not there or too large for its kind
 */
export async function openReplay(options: ReplayOptions): Promise<PostSource> {
  const files = await Promise.all(options.files.map(openReplayFile));
  return {
    kind: "replay",
    stream: streamName(options.seed, files),
    posts: (from, signal) => replay(options, files, from, signal),
  };
}

/**
 * The same files and seed are the same stream, wherever the files are and whatever the epoch: with
 * another epoch the posts that are not there yet get other times, and nothing comes twice.
 */
function streamName(seed: number, files: readonly ReplayFile[]): string {
  const hash = createHash("sha256").update(String(seed));
  for (const { name, bytes } of files) hash.update(`\n${name} ${bytes}`);
  return `replay-${hash.digest("hex").slice(0, 12)}`;
}

interface Progress {
  /** Places of the sequence that are behind. */
  places: number;
  /** Posts among them. */
  posts: number;
}

async function* replay(
  options: ReplayOptions,
  files: readonly ReplayFile[],
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Chunk> {
  const pace = startPace(options.rate, options.clock);
  const progress: Progress = { places: 0, posts: 0 };
  const ids = rememberIds(IDS_REMEMBERED);
  for (const file of files) {
    for await (const items of itemsOf(file)) {
      signal.throwIfAborted();
      const posts = await acceptItems(options, file, items, { ids, progress, signal });
      yield* paced(posts, from, pace, signal);
      if (isEnough(options, progress)) return;
    }
  }
  yield* generate(options, progress, from, pace, signal);
}

/** The posts among the items; the others become dead letters before this returns. */
async function acceptItems(
  options: ReplayOptions,
  file: ReplayFile,
  items: readonly Item[],
  { ids, progress, signal }: { ids: RecentIds; progress: Progress; signal: AbortSignal },
): Promise<SourcePost[]> {
  const posts: SourcePost[] = [];
  for (const item of items) {
    if (isEnough(options, progress)) break;
    const ordinal = progress.places;
    progress.places += 1;
    const read = readItem(item, options.postBytesMax);
    if (read.kind === "other") continue;
    if (read.kind === "unreadable") {
      const { number, ...place } = item;
      const { code, reason } = read;
      const letter = { file: file.name, item: number, code, reason, ...place };
      const isNew = await options.deadLetters.add(letter, signal);
      if (isNew) options.onLeftOut("dead-letter", file.name, item, `${code}: ${reason}`);
    } else if (ids.seen(`${read.kind} ${read.id}`)) {
      options.onLeftOut("duplicate", file.name, item, `the id ${read.id} was there before`);
    } else {
      progress.posts += 1;
      posts.push({ id: read.id, value: read.value, schema: read.schema, ordinal });
    }
  }
  return posts;
}

function readItem(item: Item, bytesMax: number): Reading | TooLarge {
  if (item.length <= bytesMax) {
    const [reading, second] = readPosts(item.bytes);
    if (reading && !second) return reading;
    return { kind: "unreadable", code: "SEVERAL_POSTS", reason: "a page or a list of posts" };
  }
  const reason = `${item.length} bytes are more than HYBRIDGE_POST_BYTES_MAX (${bytesMax})`;
  return { kind: "unreadable", code: "TOO_LARGE", reason };
}

interface TooLarge {
  readonly kind: "unreadable";
  readonly code: "TOO_LARGE";
  readonly reason: string;
}

async function* generate(
  options: ReplayOptions,
  progress: Progress,
  from: number,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<Chunk> {
  const base = progress.places;
  const end = options.posts === 0 ? Infinity : options.posts - progress.posts;
  const first = Math.min(Math.max(0, from - base), end);
  if (first > 0) yield { posts: [], passedOver: first };
  let index = first;
  while (index < end) {
    const count = await pace(Math.min(POSTS_PER_CHUNK, end - index), signal);
    const posts: SourcePost[] = [];
    for (const last = index + count; index < last; index++) {
      const { id, schema, json } = postAt(options.seed, index, options.epochMs);
      posts.push({ id, schema, value: Buffer.from(json), ordinal: base + index });
    }
    yield { posts, passedOver: 0 };
    // Generating needs no I/O, so without this nothing else would get a turn.
    await setImmediate(undefined, { signal });
  }
}

/** Hands on what is at or after `from` at the pace; what is before it only counts. */
async function* paced(
  posts: readonly SourcePost[],
  from: number,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<Chunk> {
  const rest = posts.filter(({ ordinal }) => ordinal >= from);
  if (rest.length < posts.length) yield { posts: [], passedOver: posts.length - rest.length };
  for (let first = 0; first < rest.length;) {
    const count = await pace(rest.length - first, signal);
    yield { posts: rest.slice(first, first + count), passedOver: 0 };
    first += count;
  }
}

function isEnough(options: ReplayOptions, progress: Progress): boolean {
  return options.posts > 0 && progress.posts >= options.posts;
}
