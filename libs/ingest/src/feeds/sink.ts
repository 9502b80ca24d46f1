import { crc32 } from "node:zlib";
import type { PostSchema } from "@hybridge/tweet";
import type { DeadLetter, DeadLetters } from "../dead-letters.ts";
import type { FrameContent, Spool } from "../spool/spool.ts";
import type { PartCounts, RecordToKeep } from "../spool/format.ts";
import { noCounts } from "../spool/state.ts";
import { plus } from "../tally.ts";
import type { Appended, Feed, FeedBatch, FeedItem, FeedSink } from "./feed.ts";
import { readItem, type ItemReading, type Unreadable } from "./files/read-item.ts";

/** An item of something that is read again from its beginning: it knows its place, for the topic and for dead letters. */
export interface PlacedItem extends FeedItem {
  readonly place?: ItemPlace;
  /** Of the whole, when `bytes` is only its beginning. */
  readonly whole?: { readonly length: number; readonly sha256: string };
  /** The topic has it from before there was a spool: it counts, and is not kept. */
  readonly isPresent?: boolean;
}

export interface ItemPlace {
  readonly stream: string;
  readonly item: number;
  readonly index: number;
  readonly mark: number;
  /** The header `hybridge-origin`. */
  readonly origin: string;
}

export interface PlacedBatch extends FeedBatch {
  readonly items: readonly PlacedItem[];
  /** Posts that the topic has from before there was a spool; they count, and are not kept. */
  readonly present?: number;
  /** How many partitions the keys are spread over; default as many as the spool is told. */
  readonly partitions?: number;
  /** Whether it must survive a power cut when it is told to be kept. */
  readonly sync?: boolean;
}

export interface Sink extends FeedSink {
  append(batch: PlacedBatch, signal: AbortSignal): Promise<Appended>;
  /** This process reads the part: its counts are told, also when nothing new comes. */
  use(part: string): void;
  /** Of the parts that this process uses. */
  counts(): readonly PartCounts[];
  countsOf(part: string): PartCounts | undefined;
  /** Items that were lost because the spool was full. */
  dropped(): number;
  /** What made the spool unusable, for the whole process. */
  failure(): { readonly error: unknown } | undefined;
}

export interface SinkOptions {
  readonly spool: Spool;
  readonly deadLetters: DeadLetters;
  readonly postBytesMax: number;
  readonly onKept: (records: number) => void;
  readonly onDropped: (items: number) => void;
}

/** Frames are no larger, so that one batch of a feed cannot fill the memory of its reader. */
const FRAME_BYTES_MAX = 8 * 1024 * 1024;
const RECORD_OVERHEAD_BYTES = 64;

interface Post {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly schema: PostSchema;
  readonly op: "upsert" | "delete";
  readonly origin: string;
  readonly hash: readonly [high: number, low: number];
  readonly isPresent: boolean;
}

/** What every feed appends to: reads the items, puts aside what is no post, and keeps the rest. */
export function openSink(
  feed: Pick<Feed, "name" | "source" | "whenFull">,
  options: SinkOptions,
): Sink {
  const { spool, deadLetters } = options;
  const used = new Set([""]);
  let dropped = 0;
  let failure: { readonly error: unknown } | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const keep = async (batch: PlacedBatch, signal: AbortSignal): Promise<Appended> => {
    const part = batch.part ?? "";
    used.add(part);
    const { posts, letters, counts } = sort(feed.name, batch, options);
    for (const letter of letters) await deadLetters.add(letter, signal);
    if (posts.length > 0 || letters.length > 0) await deadLetters.flush(signal);
    let records = 0;
    for (const [index, group] of frames(posts).entries()) {
      const isLast = group.isLast;
      const kept = await spool.append(
        {
          wait: feed.whenFull === "wait",
          sync: batch.sync === true,
          bytes: group.bytes,
          build: (isNew) => {
            const before = spool.partsOf(feed.name).get(part);
            const cursor = isLast ? batch.cursor : (before?.cursor ?? "");
            const known = before?.counts ?? noCounts;
            const meta = {
              feed: feed.name,
              source: feed.source,
              part,
              cursor,
              partitions: batch.partitions ?? 0,
            };
            return contentOf(group.posts, index === 0 ? plus(known, counts) : known, meta, isNew);
          },
        },
        signal,
      );
      if (kept === undefined) {
        dropped += batch.items.length;
        options.onDropped(batch.items.length);
        return { kept: false, records };
      }
      records += kept;
    }
    options.onKept(records);
    return { kept: true, records };
  };
  return {
    use: (part) => void used.add(part),
    cursor(part = "") {
      const cursor = spool.partsOf(feed.name).get(part)?.cursor;
      return cursor === "" ? undefined : cursor;
    },
    parts: () => [...spool.partsOf(feed.name).keys()],
    append(batch, signal) {
      const next = turn.then(() => keep(batch, signal));
      turn = next.catch((error: unknown) => {
        if (!signal.aborted) failure ??= { error };
      });
      return next;
    },
    counts: () => [...used].flatMap((part) => spool.partsOf(feed.name).get(part)?.counts ?? []),
    countsOf: (part) => spool.partsOf(feed.name).get(part)?.counts,
    dropped: () => dropped,
    failure: () => failure,
  };
}

function contentOf(
  posts: readonly Post[],
  before: PartCounts,
  meta: Omit<FrameContent["meta"], "counts">,
  isNew: (high: number, low: number) => boolean,
): FrameContent {
  const records: RecordToKeep[] = [];
  let { posts: upserts, deletions, duplicates } = before;
  for (const { key, value, schema, op, origin, hash, isPresent } of posts) {
    const [hashHigh, hashLow] = hash;
    if (!isNew(hashHigh, hashLow)) {
      duplicates += 1;
      continue;
    }
    if (op === "delete") deletions += 1;
    else upserts += 1;
    if (!isPresent) records.push({ key, value, schema, op, origin, hashHigh, hashLow });
  }
  const counts = { ...before, posts: upserts, deletions, duplicates };
  return { records, meta: { ...meta, counts } };
}

interface Group {
  readonly posts: Post[];
  bytes: number;
  isLast: boolean;
}

function frames(posts: readonly Post[]): Group[] {
  let group: Group = { posts: [], bytes: RECORD_OVERHEAD_BYTES, isLast: false };
  const groups = [group];
  for (const post of posts) {
    const bytes = post.value.length + post.key.length + RECORD_OVERHEAD_BYTES;
    if (group.posts.length > 0 && group.bytes + bytes > FRAME_BYTES_MAX) {
      group = { posts: [], bytes: RECORD_OVERHEAD_BYTES, isLast: false };
      groups.push(group);
    }
    group.posts.push(post);
    group.bytes += bytes;
  }
  group.isLast = true;
  return groups;
}

/** What the items say, apart: posts to keep, letters to put aside, and the rest as counts. */
function sort(feed: string, batch: PlacedBatch, { spool, postBytesMax }: SinkOptions) {
  const posts: Post[] = [];
  const letters: DeadLetter[] = [];
  const others: Record<string, number> = {};
  for (const item of batch.items) {
    for (const [index, reading] of readingsOf(item, postBytesMax).entries()) {
      if (reading.kind === "other") {
        others[reading.name] = (others[reading.name] ?? 0) + 1;
      } else if (reading.kind === "unreadable") {
        letters.push(letterOf(feed, item, index, reading));
      } else {
        const { kind, id, schema, value, version } = reading;
        const key = Buffer.from(id);
        if (key.length > KEY_BYTES_MAX) {
          letters.push(letterOf(feed, item, index, longId(value, key.length)));
          continue;
        }
        posts.push({
          key,
          value,
          schema,
          op: kind === "post" ? "upsert" : "delete",
          origin: item.place?.origin ?? "",
          hash: spool.hashOf(`${kind} ${id} ${version ?? ""}`),
          isPresent: item.isPresent === true,
        });
      }
    }
  }
  const counts = { ...noCounts, posts: batch.present ?? 0, unreadable: letters.length, others };
  return { posts, letters, counts };
}

/** Two bytes tell its length in the spool. */
const KEY_BYTES_MAX = 65_535;

function longId(value: Buffer, length: number): Unreadable {
  const reason = `an id of ${length} bytes is longer than ${KEY_BYTES_MAX}`;
  const piece = { bytes: value, length: value.length };
  return { kind: "unreadable", code: "TOO_LARGE", reason, piece };
}

type ItemMeaning =
  | Extract<ItemReading, { readonly kind: "other" | "unreadable" }>
  | {
      readonly kind: "post" | "delete" | "account";
      readonly id: string;
      readonly schema: PostSchema;
      readonly value: Buffer;
      readonly version: string | undefined;
    };

function readingsOf(item: PlacedItem, postBytesMax: number): readonly ItemMeaning[] {
  const { bytes, known } = item;
  if (!known) {
    return readItem({ bytes, length: bytes.length }, postBytesMax).map(meaningOf);
  }
  if (known.kind === "other") return [{ ...known, reason: "" }];
  if (known.kind === "unreadable") {
    const piece = item.whole ? { bytes, ...item.whole } : { bytes, length: bytes.length };
    return [{ ...known, piece }];
  }
  return [{ ...known, value: bytes, version: known.version }];
}

function meaningOf(reading: ItemReading): ItemMeaning {
  if (reading.kind === "other" || reading.kind === "unreadable") return reading;
  const { kind, id, schema, value, fields } = reading;
  return { kind, id, schema, value, version: fields.version ?? undefined };
}

/** Letters of a live source have no place; their content tells one that comes again. */
const LETTERS_TOLD_APART = 2 ** 20;

function letterOf(
  feed: string,
  { place, origin }: PlacedItem,
  index: number,
  { code, reason, piece }: Unreadable,
): DeadLetter {
  const mark = crc32(piece.bytes);
  const at = place ?? { stream: feed, item: mark % LETTERS_TOLD_APART, index, mark };
  return {
    sequence: at.stream,
    item: at.item,
    index: at.index,
    mark: at.mark,
    file: origin?.file ?? feed,
    line: origin?.line ?? 0,
    byteOffset: origin?.byteOffset ?? 0,
    code,
    reason,
    ...piece,
  };
}
