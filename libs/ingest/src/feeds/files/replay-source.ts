import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Clock } from "@hybridge/core";
import { postAt } from "@hybridge/tweet";
import type { DeadLetters } from "../../dead-letters.ts";
import { startPace, type Pace } from "../pace.ts";
import type { ResumePoint } from "../../publisher/resume.ts";
import { isAfter, UNKNOWN, type Place } from "../../publisher/sequence.ts";
import type { Chunk, OpenStream, PostSource, SourcePost } from "../../source.ts";
import type { Tally } from "../../tally.ts";
import { itemsOf, type Item } from "./items.ts";
import { findProgress } from "./progress.ts";
import { readItem } from "./read-item.ts";
import { rememberKeys, type RecentKeys } from "./recent-keys.ts";
import { openReplayFile, type ReplayFile } from "./replay-file.ts";
import {
  fileSegment,
  generatorSegment,
  markAfter,
  nextBefore,
  NOTHING_BEFORE,
  type Segment,
} from "./segment.ts";

/** What to replay, and how fast. */
export interface ReplayOptions {
  readonly files: readonly string[];
  /** Records in all, those of the files first; 0 for no end. */
  readonly posts: number;
  /** Records per second; 0 for as fast as it goes. */
  readonly rate: number;
  readonly seed: number;
  /** Time of the first generated post. */
  readonly epochMs: number;
  /** A larger post is a dead letter. */
  readonly postBytesMax: number;
  readonly deadLetters: DeadLetters;
  /** Counts what becomes of everything that is read. */
  readonly tally: Tally;
  /** Told when a packed file ends before its end. */
  readonly onBrokenFile: (file: string, item: number, reason: string) => void;
  readonly clock: Clock;
}

/** What was said of posts lately is remembered, to leave out what is said twice. */
const KEYS_REMEMBERED = 500_000;
const POSTS_PER_CHUNK = 250;

/**
 * The posts of some files and then those of the generator. Each file is a stream of its own, known
 * by its content (docs/adr/0030-a-replay-is-known-by-its-content.md).
 *
 * @throws ConfigError when a file is not there or holds no posts
 */
export async function openReplay(options: ReplayOptions): Promise<PostSource> {
  const files: ReplayFile[] = [];
  for (const path of options.files) files.push(await openReplayFile(path));
  const parts = files.flatMap((file) => {
    return file.stream === undefined ? [] : [{ file, segment: fileSegment(file, file.stream) }];
  });
  const generator = generatorSegment(options.seed);
  const segments = [...parts.map(({ segment }) => segment), generator];
  const oldStream = oldStreamName(options.seed, files);
  return {
    kind: "replay",
    name: [...files.map(({ name }) => name), generator.label].join(", "),
    findProgress: (log, signal) => findProgress({ segments, oldStream }, log, signal),
    async *posts(resume, signal) {
      const pass = beginPass(options, resume, signal);
      options.tally.clear();
      for (const [index, { file, segment }] of parts.entries()) {
        yield* replayFile(pass, file, segment, streamAt(pass, index));
        if (isEnough(pass)) return;
      }
      yield* generate(pass, streamAt(pass, parts.length));
    },
  };
}

/** Before streams were known by their content they were known by this. */
function oldStreamName(seed: number, files: readonly ReplayFile[]): string {
  const hash = createHash("sha256").update(String(seed));
  for (const { name, storedBytes } of files) hash.update(`\n${name} ${storedBytes}`);
  return `replay-${hash.digest("hex").slice(0, 12)}`;
}

/** One way through the source, from its beginning. */
interface Pass {
  readonly options: ReplayOptions;
  readonly resume: ResumePoint;
  readonly signal: AbortSignal;
  readonly pace: Pace;
  readonly keys: RecentKeys;
  /** Items that are behind, and records among them. */
  items: number;
  records: number;
  /** Names what stands before the present stream. */
  before: string;
}

function beginPass(options: ReplayOptions, resume: ResumePoint, signal: AbortSignal): Pass {
  return {
    options,
    resume,
    signal,
    pace: startPace(options.rate, options.clock),
    keys: rememberKeys(KEYS_REMEMBERED),
    items: 0,
    records: 0,
    before: resume.isAlone ? NOTHING_BEFORE : UNKNOWN,
  };
}

function streamAt({ resume, before }: Pass, index: number): OpenStream {
  const progress = resume.streams[index];
  if (!progress) throw new RangeError(`no progress of stream ${index}`);
  return { ...progress, before };
}

async function* replayFile(
  pass: Pass,
  file: ReplayFile,
  segment: Segment,
  stream: OpenStream,
): AsyncGenerator<Chunk> {
  const { options, signal } = pass;
  const first = pass.items;
  let mark = 0;
  let broken: string | undefined;
  const all = itemsOf(file.layout, (reason) => {
    broken = reason;
  });
  let last: Item | undefined;
  for await (const items of all) {
    signal.throwIfAborted();
    const posts: SourcePost[] = [];
    for (const item of items) {
      if (isEnough(pass)) break;
      last = item;
      mark = markAfter(mark, item);
      const at = { item: pass.items - first, mark, ordinal: pass.items };
      pass.items += 1;
      posts.push(...(await acceptItem(pass, { file, segment, stream, item, at })));
    }
    if (posts.length > 0) await options.deadLetters.flush(signal);
    yield* paced(posts, stream, pass);
    if (isEnough(pass)) break;
  }
  const count = pass.items - first;
  if (broken !== undefined && !isEnough(pass)) {
    options.onBrokenFile(file.name, (last?.number ?? 0) + 1, broken);
  }
  await options.deadLetters.flush(signal);
  if (pass.before !== UNKNOWN) pass.before = nextBefore(pass.before, segment, count, mark);
}

interface Found {
  readonly file: ReplayFile;
  readonly segment: Segment;
  readonly stream: OpenStream;
  readonly item: Item;
  readonly at: { readonly item: number; readonly mark: number; readonly ordinal: number };
}

/** What the item says that will be records; the rest is counted, and perhaps a dead letter. */
async function acceptItem(pass: Pass, found: Found): Promise<SourcePost[]> {
  const { options } = pass;
  const { tally } = options;
  const { file, segment, stream, item, at } = found;
  const { number, byteOffset } = item;
  const posts: SourcePost[] = [];
  for (const [index, reading] of readItem(item, options.postBytesMax).entries()) {
    if (isEnough(pass)) break;
    if (reading.kind === "other") {
      tally.addOther(reading.name);
    } else if (reading.kind === "unreadable") {
      tally.unreadable += 1;
      const { code, reason, piece } = reading;
      const place = { item: at.item, index };
      const known = { sequence: segment.stream, ...place, mark: at.mark };
      const letter = {
        ...known,
        file: file.name,
        line: number,
        byteOffset,
        code,
        reason,
        ...piece,
      };
      await options.deadLetters.add(letter, pass.signal);
    } else if (pass.keys.seen(`${reading.kind} ${reading.id} ${reading.fields.version ?? ""}`)) {
      tally.duplicates += 1;
    } else {
      const isPost = reading.kind === "post";
      if (isPost) tally.posts += 1;
      else tally.deletions += 1;
      pass.records += 1;
      posts.push({
        id: reading.id,
        op: isPost ? "upsert" : "delete",
        value: reading.value,
        schema: reading.schema,
        ordinal: at.ordinal,
        stream,
        place: { item: at.item, index },
        mark: at.mark,
        origin: { file: file.name, item: number, byteOffset },
      });
    }
  }
  return posts;
}

async function* generate(pass: Pass, stream: OpenStream): AsyncGenerator<Chunk> {
  const { options, signal } = pass;
  const base = pass.items;
  const end = options.posts === 0 ? Infinity : options.posts - pass.records;
  const settled = lowest(stream).item;
  const first = Math.min(settled + 1, end);
  options.tally.posts += first;
  if (first > 0) yield { posts: [], passedOver: first };
  let index = first;
  while (index < end) {
    const count = await pass.pace(Math.min(POSTS_PER_CHUNK, end - index), signal);
    const posts: SourcePost[] = [];
    for (const last = index + count; index < last; index++) {
      const { id, schema, json } = postAt(options.seed, index, options.epochMs);
      posts.push({
        id,
        op: "upsert",
        schema,
        value: Buffer.from(json),
        ordinal: base + index,
        stream,
        place: { item: index, index: 0 },
        mark: 0,
        origin: { file: stream.name, item: index, byteOffset: 0 },
      });
    }
    options.tally.posts += posts.length;
    yield { posts, passedOver: 0 };
    // Generating needs no I/O, so without this nothing else would get a turn.
    await setImmediate(undefined, { signal });
  }
}

/** Hands on at the pace what some partition may lack; what all have only counts. */
async function* paced(
  posts: readonly SourcePost[],
  stream: OpenStream,
  { pace, signal }: Pass,
): AsyncGenerator<Chunk> {
  const low = lowest(stream);
  const rest = posts.filter(({ place }) => isAfter(place, low));
  if (rest.length < posts.length) yield { posts: [], passedOver: posts.length - rest.length };
  for (let first = 0; first < rest.length;) {
    const most = Math.min(POSTS_PER_CHUNK, rest.length - first);
    const count = await pace(most, signal);
    yield { posts: rest.slice(first, first + count), passedOver: 0 };
    first += count;
  }
}

function lowest({ settled }: OpenStream): Place {
  return settled.reduce((low, each) => (isAfter(low, each) ? each : low));
}

function isEnough({ options, records }: Pass): boolean {
  return options.posts > 0 && records >= options.posts;
}
