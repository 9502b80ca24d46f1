import { countOf, flagOf, idOf, listOf, objectOf, textOf, type Json } from "./json.ts";
import { deletion, timeOf, type PostFields } from "./post.ts";

/**
 * Reads a message of X's API v2 filtered stream (`{"data":{...},"includes":{...}}`), or a deletion
 * of its compliance stream (`{"delete":{"tweet":{"id","author_id"},"event_at"}}`). Undefined when
 * it has no id.
 */
export function readXv2(json: Json): PostFields | undefined {
  const notice = objectOf(json["delete"]);
  if (notice) return readDeletion(notice);
  const data = objectOf(json["data"]);
  const id = idOf(data?.["id"], data?.["id"]);
  if (!data || id === null) return undefined;
  const authorId = idOf(data["author_id"], data["author_id"]);
  const author = authorOf(json, authorId);
  const counts = objectOf(data["public_metrics"]);
  return {
    id,
    op: "upsert",
    createdAtMs: timeOf(data["created_at"]),
    deletedAtMs: null,
    authorId,
    authorHandle: textOf(author?.["username"]),
    authorName: textOf(author?.["name"]),
    authorFollowers: countOf(objectOf(author?.["public_metrics"])?.["followers_count"]),
    // Posts over 280 characters have their whole text in note_tweet.
    text: textOf(objectOf(data["note_tweet"])?.["text"]) ?? textOf(data["text"]),
    lang: textOf(data["lang"]),
    hashtags: hashtagsOf(data),
    replyToId: referenceOf(data, "replied_to"),
    repostOfId: referenceOf(data, "retweeted"),
    quoteOfId: referenceOf(data, "quoted"),
    repostCount: countOf(counts?.["retweet_count"]),
    replyCount: countOf(counts?.["reply_count"]),
    likeCount: countOf(counts?.["like_count"]),
    quoteCount: countOf(counts?.["quote_count"]),
    possiblySensitive: flagOf(data["possibly_sensitive"]),
  };
}

function readDeletion(notice: Json): PostFields | undefined {
  const post = objectOf(notice["tweet"]);
  const id = idOf(post?.["id"], post?.["id"]);
  if (id === null) return undefined;
  const authorId = idOf(post?.["author_id"], post?.["author_id"]);
  return deletion(id, authorId, timeOf(notice["event_at"]));
}

function authorOf(json: Json, authorId: string | null): Json | undefined {
  if (authorId === null) return undefined;
  for (const user of listOf(objectOf(json["includes"])?.["users"])) {
    const each = objectOf(user);
    if (each?.["id"] === authorId) return each;
  }
  return undefined;
}

function hashtagsOf(data: Json): string[] {
  const note = objectOf(objectOf(data["note_tweet"])?.["entities"]);
  const entities = note ?? objectOf(data["entities"]);
  return listOf(entities?.["hashtags"]).flatMap((tag) => textOf(objectOf(tag)?.["tag"]) ?? []);
}

function referenceOf(data: Json, type: string): string | null {
  for (const reference of listOf(data["referenced_tweets"])) {
    const each = objectOf(reference);
    if (each?.["type"] === type) return idOf(each["id"], each["id"]);
  }
  return null;
}
