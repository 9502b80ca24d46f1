import { countOf, flagOf, idOf, listOf, objectOf, textOf, type Json, type Met } from "./json.ts";
import { deletion, type PostFields } from "./post.ts";
import type { Meaning } from "./reading.ts";
import { snowflakeTime, timeOf } from "./time.ts";

/**
 * Reads a status of X's API v1.1 ("Tweet data dictionaries: Standard v1.1"), as streams, searches
 * and personal archives have it. Undefined when it has no id.
 *
 * A retweet's own text is `RT @name: ` and what of the original fits behind it, often cut; so the
 * text and the hashtags are the original's.
 */
export function readStatus(status: Json, met: Met): Meaning | undefined {
  const id = idOf(met, status["id_str"], status["id"]);
  if (id === null) return undefined;
  const deletedAt = status["deleted_at"];
  // Archives keep what their owner deleted, with the whole text (`deleted-tweets.js`).
  if (deletedAt !== undefined && deletedAt !== null) {
    const fields = deletion(id, {
      deletedAtMs: timeOf(deletedAt),
      createdAtMs: createdAt(status, id),
    });
    return { kind: "delete", schema: "x.v1.1", fields };
  }
  const user = objectOf(status["user"]);
  const original = objectOf(status["retweeted_status"]);
  const said = original && fullText(original) !== null ? original : status;
  const fields: PostFields = {
    id,
    op: "upsert",
    createdAtMs: createdAt(status, id),
    deletedAtMs: null,
    observedAtMs: null,
    version: null,
    authorId: idOf(met, user?.["id_str"], user?.["id"]),
    authorHandle: textOf(user?.["screen_name"]),
    authorName: textOf(user?.["name"]),
    authorFollowers: countOf(met, user?.["followers_count"]),
    text: fullText(said),
    lang: textOf(status["lang"]) ?? textOf(said["lang"]),
    hashtags: hashtagsOf(said),
    replyToId: idOf(met, status["in_reply_to_status_id_str"], status["in_reply_to_status_id"]),
    repostOfId: idOf(met, original?.["id_str"], original?.["id"]),
    quoteOfId: quoteOf(status, met),
    repostCount: countOf(met, status["retweet_count"]),
    replyCount: countOf(met, status["reply_count"]),
    likeCount: countOf(met, status["favorite_count"]),
    quoteCount: countOf(met, status["quote_count"]),
    possiblySensitive: flagOf(status["possibly_sensitive"]) ?? flagOf(said["possibly_sensitive"]),
  };
  return { kind: "post", schema: "x.v1.1", fields };
}

function createdAt(status: Json, id: string): number | null {
  return timeOf(status["created_at"]) ?? timeOf(status["timestamp_ms"]) ?? snowflakeTime(id);
}

/** Posts over 140 characters have their whole text and entities in extended_tweet. */
function fullText(status: Json): string | null {
  const extended = objectOf(status["extended_tweet"]);
  return textOf(extended?.["full_text"]) ?? textOf(status["full_text"]) ?? textOf(status["text"]);
}

function hashtagsOf(status: Json): string[] {
  const extended = objectOf(status["extended_tweet"]);
  const entities = objectOf(extended?.["entities"]) ?? objectOf(status["entities"]);
  return listOf(entities?.["hashtags"]).flatMap((tag) => textOf(objectOf(tag)?.["text"]) ?? []);
}

function quoteOf(status: Json, met: Met): string | null {
  const named = idOf(met, status["quoted_status_id_str"], status["quoted_status_id"]);
  if (named !== null) return named;
  const quoted = objectOf(status["quoted_status"]);
  return idOf(met, quoted?.["id_str"], quoted?.["id"]);
}
