import { Kind } from "./json-scanner.ts";
import type { Slots } from "./scan-shapes.ts";
import {
  TEXT_V11,
  scanner,
  root,
  statusTime,
  isTime,
  isNothing,
  isObjectOrNothing,
  isString,
} from "./scan-slots.ts";
import { putTags } from "./scan-tags.ts";
import type { ScannedPost, ScannedText } from "./scanned-post.ts";

/** Instead of a slot; slot 0 holds no text. */
const NOT_THERE = 0;
const UNUSUAL = -1;

const { kinds } = scanner;

export function readStatus(said: ScannedPost): boolean {
  const { user, retweeted_status: original } = root;
  if (!isNothing(root.deleted_at)) return false;
  if (!isObjectOrNothing(user.$) || !isObjectOrNothing(original.$)) return false;
  const hasUser = kinds[user.$] === Kind.object;
  const isRepost = kinds[original.$] === Kind.object;
  const own = textOfStatus(root);
  const others = isRepost ? textOfStatus(original) : NOT_THERE;
  if (own === UNUSUAL || others === UNUSUAL) return false;
  const spoken = others === NOT_THERE ? root : original;
  said.schema = "x.v1.1";
  said.createdAtMs = statusTime(root.created_at);
  return (
    isTime(said.createdAtMs) &&
    said.putId("id", scanner, root.id_str) &&
    (!hasUser || said.putId("author_id", scanner, user.id_str)) &&
    (!isRepost || said.putId("repost_of_id", scanner, original.id_str)) &&
    said.putText("author_handle", scanner, user.screen_name) &&
    said.putText("author_name", scanner, user.name) &&
    said.putCount("author_followers", scanner, user.followers_count) &&
    putIfSaid(said, "text", others === NOT_THERE ? own : others) &&
    said.putText("lang", scanner, isNothing(root.lang) ? spoken.lang : root.lang) &&
    putStatusTags(said, spoken) &&
    said.putIdIfAny(
      "reply_to_id",
      scanner,
      root.in_reply_to_status_id_str,
      root.in_reply_to_status_id,
    ) &&
    putQuote(said) &&
    said.putCount("repost_count", scanner, root.retweet_count) &&
    said.putCount("reply_count", scanner, root.reply_count) &&
    said.putCount("like_count", scanner, root.favorite_count) &&
    said.putCount("quote_count", scanner, root.quote_count) &&
    said.putFlag(
      scanner,
      isNothing(root.possibly_sensitive) ? spoken.possibly_sensitive : root.possibly_sensitive,
    )
  );
}

/** The slot of a status's text; NOT_THERE or UNUSUAL when there is none (slot 0 holds no text). */
function textOfStatus(status: Slots<typeof TEXT_V11>): number {
  const { extended_tweet: extended, full_text: full, text } = status;
  if (!isObjectOrNothing(extended.$)) return UNUSUAL;
  for (const slot of [extended.full_text, full, text]) {
    if (!isNothing(slot)) return isString(slot) ? slot : UNUSUAL;
  }
  return NOT_THERE;
}

function putIfSaid(said: ScannedPost, name: ScannedText, slot: number): boolean {
  return slot === NOT_THERE || said.putText(name, scanner, slot);
}

function putStatusTags(said: ScannedPost, status: Slots<typeof TEXT_V11>): boolean {
  const { entities, extended_tweet: extended } = status;
  if (!isObjectOrNothing(entities.$) || !isObjectOrNothing(extended.entities.$)) return false;
  const tags = kinds[extended.entities.$] === Kind.object ? extended.entities : entities;
  return putTags(said, scanner, tags.hashtags, "text");
}

function putQuote(said: ScannedPost): boolean {
  const { quoted_status_id_str: id, quoted_status_id: number, quoted_status: quoted } = root;
  if (isNothing(id) && !isNothing(quoted)) return false;
  return said.putIdIfAny("quote_of_id", scanner, id, number);
}
