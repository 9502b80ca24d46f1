import { JsonScanner, Kind } from "./json-scanner.ts";
import { leaf, shapeOf } from "./scan-shapes.ts";
import { isoTimeAt, statusTimeAt } from "./scan-time.ts";

const COUNTS = {
  retweet_count: leaf,
  reply_count: leaf,
  like_count: leaf,
  quote_count: leaf,
} as const;

/** What a text of X's API v2 is said by. */
export const TEXT_V2 = {
  text: leaf,
  note_tweet: { text: leaf, entities: { hashtags: leaf } },
  entities: { hashtags: leaf },
} as const;

/** The same for API v1.1. */
export const TEXT_V11 = {
  text: leaf,
  full_text: leaf,
  extended_tweet: { full_text: leaf, entities: { hashtags: leaf } },
  entities: { hashtags: leaf },
  lang: leaf,
  possibly_sensitive: leaf,
} as const;

export const COMMIT = {
  operation: leaf,
  collection: leaf,
  rkey: leaf,
  record: {
    createdAt: leaf,
    text: leaf,
    langs: leaf,
    facets: leaf,
    tags: leaf,
    reply: { parent: { uri: leaf } },
    embed: { $type: leaf, record: { uri: leaf, record: { uri: leaf } } },
  },
} as const;

export const EVENT = {
  did: leaf,
  kind: leaf,
  $type: leaf,
  time_us: leaf,
  time: leaf,
  commit: COMMIT,
  ...COMMIT,
} as const;

/** Everything that decides what an object is, and what the usual forms say. */
export const post = shapeOf({
  data: {
    ...TEXT_V2,
    id: leaf,
    author_id: leaf,
    author: leaf,
    created_at: leaf,
    lang: leaf,
    possibly_sensitive: leaf,
    referenced_tweets: leaf,
    public_metrics: COUNTS,
    username: leaf,
    screen_name: leaf,
  },
  includes: { users: leaf, tweets: leaf },
  statuses: leaf,
  username: leaf,
  screen_name: leaf,
  ...TEXT_V11,
  id_str: leaf,
  created_at: leaf,
  deleted_at: leaf,
  in_reply_to_status_id: leaf,
  in_reply_to_status_id_str: leaf,
  quoted_status: leaf,
  quoted_status_id: leaf,
  quoted_status_id_str: leaf,
  user: { id_str: leaf, name: leaf, screen_name: leaf, followers_count: leaf },
  retweeted_status: { ...TEXT_V11, id_str: leaf },
  retweet_count: leaf,
  reply_count: leaf,
  favorite_count: leaf,
  quote_count: leaf,
  ...EVENT,
  payload: EVENT,
});

export const scanner = new JsonScanner();
/** Of `post`. */
export const root = post.slots;

const { kinds, starts, ends } = scanner;

export function isoTime(slot: number): number {
  if (kinds[slot] !== Kind.text) return Number.NaN;
  return isoTimeAt(scanner.bytes, starts[slot] ?? 0, ends[slot] ?? 0);
}

export function statusTime(slot: number): number {
  if (kinds[slot] !== Kind.text) return Number.NaN;
  return statusTimeAt(scanner.bytes, starts[slot] ?? 0, ends[slot] ?? 0);
}

export function isTime(ms: number): boolean {
  return !Number.isNaN(ms);
}

export function isAbsent(slot: number): boolean {
  return kinds[slot] === Kind.absent;
}

export function isNothing(slot: number): boolean {
  return (kinds[slot] ?? 0) <= Kind.null;
}

export function isObjectOrNothing(slot: number): boolean {
  return kinds[slot] === Kind.object || isNothing(slot);
}

export function isListOrNothing(slot: number): boolean {
  return kinds[slot] === Kind.list || isNothing(slot);
}

export function isString(slot: number): boolean {
  const kind = kinds[slot] ?? 0;
  return kind === Kind.text || kind === Kind.escaped || kind === Kind.unstorable;
}

export function isSame(slot: number, other: number): boolean {
  const start = starts[slot] ?? 0;
  const from = starts[other] ?? 0;
  const length = (ends[slot] ?? 0) - start;
  if (length !== (ends[other] ?? 0) - from) return false;
  for (let index = 0; index < length; index++) {
    if (scanner.bytes[start + index] !== scanner.bytes[from + index]) return false;
  }
  return true;
}

export function isText(slot: number, wanted: Uint8Array): boolean {
  return kinds[slot] === Kind.text && isRange(starts[slot] ?? 0, ends[slot] ?? 0, wanted);
}

export function isRange(start: number, end: number, wanted: Uint8Array): boolean {
  if (end - start !== wanted.length) return false;
  for (let index = 0; index < wanted.length; index++) {
    if (scanner.bytes[start + index] !== wanted[index]) return false;
  }
  return true;
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (each) => each.charCodeAt(0));
}
