import { countOf, flagOf, idOf, listOf, objectOf, textOf, type Json, type Met } from "./json.ts";
import type { PostFields } from "./post.ts";
import type { Meaning } from "./reading.ts";
import { snowflakeTime, timeOf } from "./time.ts";

/**
 * Reads a post of X's API v2 (docs.x.com, "Data dictionary"): `data` of a message of the filtered
 * stream or of a lookup, with its `includes`; or a flattened one, which has its author and the
 * posts that it refers to inside (twarc's `flatten`). Undefined when it has no id.
 *
 * A repost's own text is `RT @name: ` and what of the original fits behind it, often cut; so the
 * text and the hashtags are the original's, where that came along.
 */
export function readPostV2(data: Json, includes: Json | undefined, met: Met): Meaning | undefined {
  const id = idOf(met, data["id"]);
  if (id === null) return undefined;
  const authorId = idOf(met, data["author_id"]) ?? idOf(met, objectOf(data["author"])?.["id"]);
  const author = objectOf(data["author"]) ?? included(includes?.["users"], authorId, met);
  const counts = objectOf(data["public_metrics"]);
  const said = originalOf(data, includes, met) ?? data;
  const fields: PostFields = {
    id,
    op: "upsert",
    createdAtMs: timeOf(data["created_at"]) ?? snowflakeTime(id),
    deletedAtMs: null,
    observedAtMs: null,
    version: null,
    authorId,
    authorHandle: textOf(author?.["username"]),
    authorName: textOf(author?.["name"]),
    authorFollowers: countOf(met, objectOf(author?.["public_metrics"])?.["followers_count"]),
    text: fullText(said),
    lang: textOf(data["lang"]),
    hashtags: hashtagsOf(said),
    replyToId: idOf(met, referenceOf(data, "replied_to")?.["id"]),
    repostOfId: idOf(met, referenceOf(data, "retweeted")?.["id"]),
    quoteOfId: idOf(met, referenceOf(data, "quoted")?.["id"]),
    repostCount: countOf(met, counts?.["retweet_count"]),
    replyCount: countOf(met, counts?.["reply_count"]),
    likeCount: countOf(met, counts?.["like_count"]),
    quoteCount: countOf(met, counts?.["quote_count"]),
    possiblySensitive: flagOf(data["possibly_sensitive"]),
  };
  return { kind: "post", schema: "x.v2", fields };
}

function included(list: unknown, id: string | null, met: Met): Json | undefined {
  if (id === null) return undefined;
  for (const each of listOf(list)) {
    const object = objectOf(each);
    if (object && idOf(met, object["id"]) === id) return object;
  }
  return undefined;
}

function originalOf(data: Json, includes: Json | undefined, met: Met): Json | undefined {
  const reference = referenceOf(data, "retweeted");
  if (!reference || textOf(data["text"])?.startsWith("RT @") === false) return undefined;
  const original =
    fullText(reference) === null
      ? included(includes?.["tweets"], idOf(met, reference["id"]), met)
      : reference;
  return original && fullText(original) !== null ? original : undefined;
}

/** Posts over 280 characters have their whole text in note_tweet. */
function fullText(data: Json): string | null {
  return textOf(objectOf(data["note_tweet"])?.["text"]) ?? textOf(data["text"]);
}

function hashtagsOf(data: Json): string[] {
  const note = objectOf(objectOf(data["note_tweet"])?.["entities"]);
  const entities = note ?? objectOf(data["entities"]);
  return listOf(entities?.["hashtags"]).flatMap((tag) => textOf(objectOf(tag)?.["tag"]) ?? []);
}

function referenceOf(data: Json, type: string): Json | undefined {
  for (const reference of listOf(data["referenced_tweets"])) {
    const each = objectOf(reference);
    if (each?.["type"] === type) return each;
  }
  return undefined;
}
