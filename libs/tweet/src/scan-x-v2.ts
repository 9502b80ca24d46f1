import { Kind } from "./json-scanner.ts";
import { leaf, shapeOf, type Slots } from "./scan-shapes.ts";
import {
  TEXT_V2,
  scanner,
  root,
  isoTime,
  isTime,
  isAbsent,
  isNothing,
  isObjectOrNothing,
  isListOrNothing,
  isSame,
  isString,
  isText,
  ascii,
} from "./scan-slots.ts";
import { putTags } from "./scan-tags.ts";
import type { ScannedPost } from "./scanned-post.ts";
import { snowflakeTime } from "./time.ts";

const includedUser = shapeOf({
  id: leaf,
  username: leaf,
  name: leaf,
  public_metrics: { followers_count: leaf },
});
const includedTweet = shapeOf({ ...TEXT_V2, id: leaf });
const reference = shapeOf({ type: leaf, id: leaf, text: leaf, note_tweet: leaf });

const { kinds, starts, ends } = scanner;

export function readMessageV2(said: ScannedPost): boolean {
  const { data } = root;
  if (!isAbsent(data.username) || !isAbsent(data.screen_name) || !isNothing(data.author)) {
    return false;
  }
  if (!isObjectOrNothing(data.public_metrics.$)) return false;
  said.schema = "x.v2";
  // Without `created_at` among the fields that were asked for, the id says when.
  said.createdAtMs = isNothing(data.created_at) ? idTime(data.id) : isoTime(data.created_at);
  return (
    isTime(said.createdAtMs) &&
    said.putId("id", scanner, data.id) &&
    said.putText("lang", scanner, data.lang) &&
    said.putFlag(scanner, data.possibly_sensitive) &&
    said.putCount("repost_count", scanner, data.public_metrics.retweet_count) &&
    said.putCount("reply_count", scanner, data.public_metrics.reply_count) &&
    said.putCount("like_count", scanner, data.public_metrics.like_count) &&
    said.putCount("quote_count", scanner, data.public_metrics.quote_count) &&
    readAuthorV2(said) &&
    readReferencesV2(said)
  );
}

/** The first user of `includes` with the id of the author. */
function readAuthorV2(said: ScannedPost): boolean {
  const { author_id: id } = root.data;
  if (isNothing(id)) return true;
  if (!said.putId("author_id", scanner, id)) return false;
  const found = findIncluded(root.includes.users, includedUser, includedUser.slots.id, id);
  if (found !== FOUND) return found === NOT_THERE;
  const { username, name, public_metrics: metrics } = includedUser.slots;
  return (
    isObjectOrNothing(metrics.$) &&
    said.putText("author_handle", scanner, username) &&
    said.putText("author_name", scanner, name) &&
    said.putCount("author_followers", scanner, metrics.followers_count)
  );
}

const FOUND = 1;
const NOT_THERE = 0;
const UNUSUAL = -1;

/** Fills the shape's slots from the first object of a list with an id that is in another slot. */
function findIncluded(
  list: number,
  shape: typeof includedUser | typeof includedTweet,
  idSlot: number,
  wanted: number,
): number {
  if (!isObjectOrNothing(root.includes.$) || !isListOrNothing(list)) return UNUSUAL;
  if (kinds[list] !== Kind.list) return NOT_THERE;
  let at = scanner.firstElement(starts[list] ?? 0);
  while (at >= 0) {
    scanner.forget(shape);
    const end = scanner.element(shape.node, at);
    if (end < 0) return UNUSUAL;
    if (scanner.kind === Kind.object && !isNothing(idSlot)) {
      if (kinds[idSlot] !== Kind.text) return UNUSUAL;
      if (isSame(idSlot, wanted)) return FOUND;
    }
    at = scanner.nextElement(end);
  }
  return NOT_THERE;
}

const REPLIED_TO = ascii("replied_to");
const QUOTED = ascii("quoted");
const RETWEETED = ascii("retweeted");

/** What the post refers to, the first of each type; and what it says, which a repost says of another. */
function readReferencesV2(said: ScannedPost): boolean {
  const { data } = root;
  const list = data.referenced_tweets;
  if (!isListOrNothing(list)) return false;
  let hasReply = false;
  let hasQuote = false;
  let hasRepost = false;
  let at = kinds[list] === Kind.list ? scanner.firstElement(starts[list] ?? 0) : -1;
  while (at >= 0) {
    scanner.forget(reference);
    const end = scanner.element(reference.node, at);
    if (end < 0) return false;
    const { type, id, text, note_tweet: note } = reference.slots;
    if (scanner.kind === Kind.object && !isNothing(type)) {
      if (kinds[type] !== Kind.text) return false;
      if (!hasReply && isText(type, REPLIED_TO)) {
        hasReply = true;
        if (!said.putId("reply_to_id", scanner, id)) return false;
      } else if (!hasQuote && isText(type, QUOTED)) {
        hasQuote = true;
        if (!said.putId("quote_of_id", scanner, id)) return false;
      } else if (!hasRepost && isText(type, RETWEETED)) {
        hasRepost = true;
        if (!said.putId("repost_of_id", scanner, id)) return false;
        if (!isAbsent(text) || !isAbsent(note)) return false;
        if (!readRepostV2(said, id)) return false;
      }
    }
    at = scanner.nextElement(end);
  }
  return hasRepost || readTextV2(said, data);
}

const REPOST_TEXT = ascii("RT @");

/** A repost's text is the original's where that came along, if its own is only a preview of it. */
function readRepostV2(said: ScannedPost, id: number): boolean {
  const { data } = root;
  if (!isNothing(data.text)) {
    if (!isString(data.text)) return false;
    const start = starts[data.text] ?? 0;
    let isPreview = true;
    for (let index = 0; index < REPOST_TEXT.length; index++) {
      const byte = scanner.bytes[start + index];
      if (byte === 0x5c) return false;
      if (byte !== REPOST_TEXT[index]) {
        isPreview = false;
        break;
      }
    }
    if (!isPreview) return readTextV2(said, data);
  }
  const { slots } = includedTweet;
  const found = findIncluded(root.includes.tweets, includedTweet, slots.id, id);
  if (found === UNUSUAL) return false;
  const hasOriginal =
    found === FOUND && !(isNothing(slots.text) && isNothing(slots.note_tweet.text));
  return hasOriginal ? readTextV2(said, slots) : readTextV2(said, data);
}

function readTextV2(said: ScannedPost, from: Slots<typeof TEXT_V2>): boolean {
  const { note_tweet: note, entities } = from;
  if (!isObjectOrNothing(note.$) || !isObjectOrNothing(note.entities.$)) return false;
  if (!isObjectOrNothing(entities.$)) return false;
  const tags = kinds[note.entities.$] === Kind.object ? note.entities : entities;
  return (
    said.putText("text", scanner, isNothing(note.text) ? from.text : note.text) &&
    putTags(said, scanner, tags.hashtags, "tag")
  );
}

function idTime(slot: number): number {
  const start = starts[slot] ?? 0;
  const end = ends[slot] ?? 0;
  // As text; nothing longer is one of these ids.
  if (kinds[slot] !== Kind.text || end - start > 19) return Number.NaN;
  let id = "";
  for (let at = start; at < end; at++) id += String.fromCharCode(scanner.bytes[at] ?? 0);
  return snowflakeTime(id) ?? Number.NaN;
}
