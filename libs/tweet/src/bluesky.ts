import { listOf, objectOf, textOf, type Json } from "./json.ts";
import { deletion, timeOf, type PostFields } from "./post.ts";

/**
 * Reads an event of Bluesky's Jetstream about a post: version 2 frames
 * (`{"$type":"message","payload":{"did","operation","rkey","record",...}}`) and version 1
 * (`{"did","time_us","commit":{"operation","rkey","record"}}`). The id is `did/rkey`, which is what
 * at:// addresses name a post by. Undefined when there is none.
 */
export function readBluesky(json: Json): PostFields | undefined {
  const event = objectOf(json["payload"]) ?? json;
  const commit = objectOf(event["commit"]) ?? event;
  const did = textOf(event["did"]);
  const rkey = textOf(commit["rkey"]);
  if (did === null || did === "" || rkey === null || rkey === "") return undefined;
  const id = `${did}/${rkey}`;
  if (commit["operation"] === "delete") return deletion(id, did, eventTime(event));
  const record = objectOf(commit["record"]);
  return {
    id,
    op: "upsert",
    createdAtMs: timeOf(record?.["createdAt"]) ?? eventTime(event),
    deletedAtMs: null,
    authorId: did,
    // Jetstream names authors by did alone, and counts nothing.
    authorHandle: null,
    authorName: null,
    authorFollowers: null,
    text: textOf(record?.["text"]),
    lang: textOf(listOf(record?.["langs"])[0]),
    hashtags: hashtagsOf(record),
    replyToId: idOfAddress(objectOf(objectOf(record?.["reply"])?.["parent"])?.["uri"]),
    repostOfId: null,
    quoteOfId: quoteOf(objectOf(record?.["embed"])),
    repostCount: null,
    replyCount: null,
    likeCount: null,
    quoteCount: null,
    possiblySensitive: null,
  };
}

function eventTime(event: Json): number | null {
  const micros = event["time_us"];
  if (typeof micros === "number" && Number.isSafeInteger(micros)) return Math.floor(micros / 1000);
  return timeOf(event["time"]);
}

/** Tags stand in the text (facets) and beside it (tags). */
function hashtagsOf(record: Json | undefined): string[] {
  const inText = listOf(record?.["facets"])
    .flatMap((facet) => listOf(objectOf(facet)?.["features"]))
    .map(objectOf)
    .filter((feature) => feature?.["$type"] === "app.bsky.richtext.facet#tag")
    .map((feature) => feature?.["tag"]);
  return [...inText, ...listOf(record?.["tags"])].flatMap((tag) => textOf(tag) ?? []);
}

function quoteOf(embed: Json | undefined): string | null {
  const type = embed?.["$type"];
  if (type === "app.bsky.embed.record") return idOfAddress(objectOf(embed?.["record"])?.["uri"]);
  if (type !== "app.bsky.embed.recordWithMedia") return null;
  return idOfAddress(objectOf(objectOf(embed?.["record"])?.["record"])?.["uri"]);
}

/** `at://did/app.bsky.feed.post/rkey` to `did/rkey`. */
function idOfAddress(uri: unknown): string | null {
  const match = /^at:\/\/([^/]+)\/[^/]+\/([^/]+)$/.exec(textOf(uri) ?? "");
  return match ? `${match[1] ?? ""}/${match[2] ?? ""}` : null;
}
