import type { PostSchema } from "./post.ts";
import { authors, hashtags, oddities, phrases, type Author } from "./vocabulary.ts";

/** A post that nobody wrote, as its source would have delivered it. */
export interface GeneratedPost {
  readonly id: string;
  readonly schema: PostSchema;
  readonly createdAtMs: number;
  /** The JSON; a pure function of seed, index and epoch. */
  readonly json: string;
}

/** Ids of generated posts start here: as X's time-based ids grow, real ones get there in 2063. */
const FIRST_ID = 7_000_000_000_000_000_000n;
/** Ids that a seed has to itself. */
const IDS_PER_SEED = 1_000_000_000_000n;

/** The largest seed: the last id stays below 2^63. */
export const seedMax = 99_999;

/** Mean time between two posts. */
const STEP_MS = 20;

/**
 * The post with this index of the endless sequence that the seed stands for. Pure, so a source
 * that was killed goes on exactly where it stopped, and a test knows what it must find. Ids are
 * unique among all seeds and never fall as the index grows; times advance by 20 ms on average from
 * `epochMs`. One in five is in the form x.v1.1, one in ten in bluesky.v1, the rest in x.v2.
 *
 * @param seed 0 to seedMax
 * @param index 0 to 10^12 - 1
 */
export function postAt(seed: number, index: number, epochMs: number): GeneratedPost {
  const random = randomOf(seed, index);
  const number = FIRST_ID + BigInt(seed) * IDS_PER_SEED + BigInt(index);
  const createdAtMs = epochMs + index * STEP_MS + random.below(STEP_MS);
  const draft = draftOf(random, number, createdAtMs);
  const choice = random.below(10);
  if (choice < 2) return { ...writeXv11(draft), createdAtMs };
  if (choice < 3) return { ...writeBluesky(draft), createdAtMs };
  return { ...writeXv2(draft), createdAtMs };
}

/** The index that a generated post's id stands for, or undefined when another seed or nobody made it. */
export function indexOfGenerated(seed: number, id: string): number | undefined {
  const number = numberOf(id);
  if (number === undefined) return undefined;
  const index = number - FIRST_ID - BigInt(seed) * IDS_PER_SEED;
  return index >= 0n && index < IDS_PER_SEED ? Number(index) : undefined;
}

interface Random {
  /** A whole number from 0 to limit - 1. */
  below(limit: number): number;
}

interface Draft {
  readonly number: bigint;
  readonly createdAtMs: number;
  readonly author: Author;
  readonly followers: number;
  /** All texts here are JSON already: escaped, without quotes around them. */
  readonly text: string;
  readonly lang: string;
  readonly tags: readonly string[];
  readonly replyTo: bigint | null;
  readonly quoteOf: bigint | null;
  readonly likes: number;
  readonly reposts: number;
}

/** mulberry32 over a mix of both numbers: neighbouring indices share nothing. */
function randomOf(seed: number, index: number): Random {
  const high = Math.floor(index / 0x1_0000_0000);
  let state = Math.imul(seed + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index ^ (high << 7), 0xc2b2ae35);
  state ^= state >>> 15;
  return {
    below(limit) {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
    },
  };
}

function draftOf(random: Random, number: bigint, createdAtMs: number): Draft {
  const author = pick(random, authors);
  const tags = tagsOf(random);
  const voice = pick(random, phrases);
  return {
    number,
    createdAtMs,
    author,
    // A long tail: most have hundreds, some millions.
    followers: random.below(10 ** (1 + random.below(7))),
    text: textOf(random, voice.words, tags),
    lang: voice.lang,
    tags,
    replyTo: earlier(random, number, 4),
    quoteOf: earlier(random, number, 12),
    likes: random.below(10 ** random.below(5)),
    reposts: random.below(10 ** random.below(4)),
  };
}

function tagsOf(random: Random): string[] {
  const count = Math.max(0, random.below(6) - 2);
  const first = random.below(hashtags.length);
  // A stride that shares no factor with the length: no tag twice.
  return Array.from(
    { length: count },
    (_, index) => hashtags[(first + index * 7) % hashtags.length] ?? "",
  );
}

/** What X lets paying users write (help.x.com, "About X Premium": longer posts). */
const CHARACTERS_MAX = 25_000;

/**
 * Mostly a sentence or two. One in 16 is a word, one in 400 is very long, and one in 4,000 is the
 * longest that X allows in four-byte characters: more bytes than any VARCHAR of Redshift has.
 */
function textOf(random: Random, words: readonly string[], tags: readonly string[]): string {
  const kind = random.below(400);
  if (kind === 0 && random.below(10) === 0) return "\u{1F30A}".repeat(CHARACTERS_MAX);
  let count = 4 + random.below(30);
  if (kind === 0) count = 200 + random.below(2_500);
  else if (kind < 25) count = 1;
  let text = pick(random, words);
  for (let index = 1; index < count; index++) text += ` ${pick(random, words)}`;
  if (kind % 9 === 0) text += ` ${pick(random, oddities)}`;
  for (const tag of tags) text += ` #${tag}`;
  return text;
}

/** One in `odds` refers to an earlier post of the same sequence. */
function earlier(random: Random, number: bigint, odds: number): bigint | null {
  const back = 1 + random.below(1_000);
  const wanted = random.below(odds) === 0;
  return wanted && (number - FIRST_ID) % IDS_PER_SEED >= back ? number - BigInt(back) : null;
}

type Written = Pick<GeneratedPost, "id" | "schema" | "json">;

function writeXv2(draft: Draft): Written {
  const { author } = draft;
  const long = draft.text.length > 280;
  const body = long ? `${shortened(draft.text)}…` : draft.text;
  const references = [
    ...(draft.replyTo === null ? [] : [`{"type":"replied_to","id":"${draft.replyTo}"}`]),
    ...(draft.quoteOf === null ? [] : [`{"type":"quoted","id":"${draft.quoteOf}"}`]),
  ];
  const tags = draft.tags.map((tag) => `{"start":0,"end":1,"tag":"${tag}"}`).join(",");
  const json =
    `{"data":{"id":"${draft.number}","text":"${body}",` +
    (long ? `"note_tweet":{"text":"${draft.text}","entities":{"hashtags":[${tags}]}},` : "") +
    `"author_id":"${author.id}","created_at":"${new Date(draft.createdAtMs).toISOString()}",` +
    `"lang":"${draft.lang}","possibly_sensitive":${draft.likes % 41 === 7},` +
    (references.length > 0 ? `"referenced_tweets":[${references.join(",")}],` : "") +
    (tags === "" ? "" : `"entities":{"hashtags":[${tags}]},`) +
    `"public_metrics":{"retweet_count":${draft.reposts},"reply_count":${draft.likes >> 3},` +
    `"like_count":${draft.likes},"quote_count":${draft.reposts >> 2}},` +
    `"edit_history_tweet_ids":["${draft.number}"]},` +
    `"includes":{"users":[{"id":"${author.id}","username":"${author.handle}",` +
    `"name":"${author.name}","public_metrics":{"followers_count":${draft.followers}}}]},` +
    `"matching_rules":[{"id":"1","tag":"generated"}]}`;
  return { id: String(draft.number), schema: "x.v2", json };
}

function writeXv11(draft: Draft): Written {
  const { author, number, replyTo, quoteOf } = draft;
  const tags = draft.tags.map((tag) => `{"text":"${tag}","indices":[0,1]}`).join(",");
  const json =
    `{"created_at":"${statusTime(draft.createdAtMs)}","id":${number},"id_str":"${number}",` +
    `"full_text":"${draft.text}","source":"<a href=\\"https://example.org\\">generator</a>",` +
    `"truncated":false,"in_reply_to_status_id":${replyTo ?? "null"},` +
    `"in_reply_to_status_id_str":${replyTo === null ? "null" : `"${replyTo}"`},` +
    `"user":{"id":${author.id},"id_str":"${author.id}","name":"${author.name}",` +
    `"screen_name":"${author.handle}","location":null,"url":null,` +
    `"followers_count":${draft.followers},"verified":false},` +
    `"geo":null,"coordinates":null,"place":null,"is_quote_status":${quoteOf !== null},` +
    (quoteOf === null ? "" : `"quoted_status_id":${quoteOf},"quoted_status_id_str":"${quoteOf}",`) +
    `"retweet_count":${draft.reposts},"favorite_count":${draft.likes},` +
    `"entities":{"hashtags":[${tags}],"urls":[],"user_mentions":[]},` +
    `"favorited":false,"retweeted":false,"lang":"${draft.lang}"}`;
  return { id: String(number), schema: "x.v1.1", json };
}

function writeBluesky(draft: Draft): Written {
  const { did } = draft.author;
  const rkey = keyOf(draft.number);
  const time = new Date(draft.createdAtMs).toISOString();
  const features = draft.tags.map((tag) => {
    return `{"index":{"byteStart":0,"byteEnd":1},"features":[{"$type":"app.bsky.richtext.facet#tag","tag":"${tag}"}]}`;
  });
  const parent =
    draft.replyTo === null ? null : `at://${did}/app.bsky.feed.post/${keyOf(draft.replyTo)}`;
  const json =
    `{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#commit",` +
    `"seq":${draft.number - FIRST_ID},"did":"${did}","time":"${time}","rev":"${rkey}",` +
    `"operation":"create","collection":"app.bsky.feed.post","rkey":"${rkey}",` +
    `"record":{"$type":"app.bsky.feed.post","createdAt":"${time}","langs":["${draft.lang}"],` +
    (features.length > 0 ? `"facets":[${features.join(",")}],` : "") +
    (parent === null ? "" : `"reply":{"parent":{"uri":"${parent}"},"root":{"uri":"${parent}"}},`) +
    `"text":"${draft.text}"}}}`;
  return { id: `${did}/${rkey}`, schema: "bluesky.v1", json };
}

/**
 * A beginning of JSON-escaped text that splits neither an escape nor a surrogate pair: words have
 * none of their own, and text without a space is pairs only.
 */
function shortened(text: string): string {
  const space = text.lastIndexOf(" ", 260);
  return text.slice(0, space < 0 ? 260 : space);
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** The time format of API v1.1. */
function statusTime(ms: number): string {
  const at = new Date(ms);
  const clock = at.toISOString().slice(11, 19);
  const day = String(at.getUTCDate()).padStart(2, "0");
  const month = MONTHS[at.getUTCMonth()] ?? "";
  return `${DAYS[at.getUTCDay()] ?? ""} ${month} ${day} ${clock} +0000 ${at.getUTCFullYear()}`;
}

/** The alphabet of Bluesky's record keys (atproto: "Timestamp identifiers"): it sorts as the numbers do. */
const KEY_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz";

function keyOf(number: bigint): string {
  let key = "";
  let rest = number;
  for (let digit = 0; digit < 13; digit++) {
    key = (KEY_ALPHABET[Number(rest & 31n)] ?? "") + key;
    rest >>= 5n;
  }
  return key;
}

function numberOf(id: string): bigint | undefined {
  if (/^\d{1,19}$/.test(id)) return BigInt(id);
  const key = /^did:plc:[^/]+\/([2-7a-z]{13})$/.exec(id)?.[1];
  if (key === undefined) return undefined;
  let number = 0n;
  for (const character of key) number = (number << 5n) | BigInt(KEY_ALPHABET.indexOf(character));
  return number;
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}
