import { countOf, flagOf, idOf, listOf, objectOf, textOf, type Json } from "./json.ts";
import { deletion, timeOf, type PostFields } from "./post.ts";

/**
 * Reads a status, or a deletion notice, of X's API v1.1 ("Tweet data dictionaries: Standard v1.1").
 * Undefined when it has no id.
 */
export function readXv11(json: Json): PostFields | undefined {
  const notice = objectOf(json["delete"]);
  if (notice) return readDeletion(notice);
  const id = idOf(json["id_str"], json["id"]);
  if (id === null) return undefined;
  const user = objectOf(json["user"]);
  // Posts over 140 characters have their whole text and entities in extended_tweet.
  const extended = objectOf(json["extended_tweet"]) ?? json;
  return {
    id,
    op: "upsert",
    createdAtMs: statusTime(json["created_at"]),
    deletedAtMs: null,
    authorId: idOf(user?.["id_str"], user?.["id"]),
    authorHandle: textOf(user?.["screen_name"]),
    authorName: textOf(user?.["name"]),
    authorFollowers: countOf(user?.["followers_count"]),
    text: textOf(extended["full_text"]) ?? textOf(json["full_text"]) ?? textOf(json["text"]),
    lang: textOf(json["lang"]),
    hashtags: hashtagsOf(objectOf(extended["entities"]) ?? objectOf(json["entities"])),
    replyToId: idOf(json["in_reply_to_status_id_str"], json["in_reply_to_status_id"]),
    repostOfId: idOfStatus(json["retweeted_status"]),
    quoteOfId: idOf(json["quoted_status_id_str"], json["quoted_status_id"]),
    repostCount: countOf(json["retweet_count"]),
    replyCount: countOf(json["reply_count"]),
    likeCount: countOf(json["favorite_count"]),
    quoteCount: countOf(json["quote_count"]),
    possiblySensitive: flagOf(json["possibly_sensitive"]),
  };
}

/** `{"delete":{"status":{"id_str","user_id_str"},"timestamp_ms":"..."}}` */
function readDeletion(notice: Json): PostFields | undefined {
  const status = objectOf(notice["status"]);
  const id = idOf(status?.["id_str"], status?.["id"]);
  if (id === null) return undefined;
  const at = Number(notice["timestamp_ms"] ?? Number.NaN);
  const authorId = idOf(status?.["user_id_str"], status?.["user_id"]);
  return deletion(id, authorId, Number.isSafeInteger(at) ? at : null);
}

function idOfStatus(value: unknown): string | null {
  const status = objectOf(value);
  return idOf(status?.["id_str"], status?.["id"]);
}

function hashtagsOf(entities: Json | undefined): string[] {
  return listOf(entities?.["hashtags"]).flatMap((tag) => textOf(objectOf(tag)?.["text"]) ?? []);
}

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

/** `Sun Aug 31 00:29:15 +0000 2014`: read by position, Date.parse of it is up to the engine. */
function statusTime(value: unknown): number | null {
  if (typeof value !== "string") return null;
  const match = /^\w{3} (\w{3}) (\d\d) (\d\d):(\d\d):(\d\d) \+0000 (\d{4})$/.exec(value);
  if (!match) return timeOf(value);
  const [, month = "", day, hour, minute, second, year] = match;
  const index = MONTHS.indexOf(month) / 3;
  if (!Number.isInteger(index) || index < 0) return null;
  const ms = Date.UTC(
    Number(year),
    index,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  return Number.isFinite(ms) ? ms : null;
}
