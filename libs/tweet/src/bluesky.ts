import { listOf, objectOf, textOf, type Json } from "./json.ts";
import { accountKey, deletion, type PostFields } from "./post.ts";
import { other, otherNames, type Meaning, type OtherName } from "./reading.ts";
import { timeOf } from "./time.ts";

const POSTS = "app.bsky.feed.post";
const names: ReadonlySet<string> = new Set(otherNames);

/**
 * Reads an event of Bluesky's Jetstream: version 1
 * (`{"did","time_us","kind":"commit","commit":{"operation","collection","rkey","record"}}`) and
 * version 2 (`{"$type":"message","payload":{"$type":"...#commit","did","operation",...}}`). Commits
 * to the collection app.bsky.feed.post are posts; its id is `did/rkey`, which is what at://
 * addresses name it by. The end of an account retracts its posts; other events are counted.
 * Undefined when it is none of them.
 */
export function readBluesky(json: Json): Meaning | undefined {
  const event = objectOf(json["payload"]) ?? json;
  if (typeof json["$type"] === "string" && json["$type"] !== "message" && event === json) {
    return other("info", `a frame of Jetstream: ${json["$type"]}`);
  }
  const did = textOf(event["did"]);
  const kind = kindOf(event);
  if (kind === "identity" || kind === "sync" || kind === "info") {
    return other(kind, `an event of Jetstream: ${kind}`);
  }
  if (did === null || did === "") return undefined;
  if (kind === "account") return readAccount(event, did);
  return readCommit(event, did);
}

/** Version 1 says it in `kind`, version 2 behind the `#` of its type, and both have a member of it. */
function kindOf(event: Json): string {
  const said = textOf(event["kind"]) ?? textOf(event["$type"])?.split("#").at(1);
  if (said !== undefined) return said;
  if (objectOf(event["account"])) return "account";
  return objectOf(event["identity"]) ? "identity" : "commit";
}

/**
 * Statuses of accounts (atproto.com/specs/account): deleted is for ever, and a takedown is a
 * decision that what was posted shall not be shown. The others are for a time and leave it.
 */
function readAccount(event: Json, did: string): Meaning {
  const account = objectOf(event["account"]) ?? event;
  const status = textOf(account["status"]) ?? "";
  if (account["active"] === true) return other("account_active", "an account is active");
  if (status === "deleted" || status === "takendown") {
    const deletedAtMs = timeOf(account["time"]) ?? eventTime(event);
    const fields = deletion(accountKey(did), {
      authorId: did,
      deletedAtMs,
      observedAtMs: eventTime(event),
    });
    return { kind: "account", schema: "bluesky.v1", fields };
  }
  if (status === "suspended") return other("account_suspended", "an account is suspended");
  if (status === "deactivated") return other("account_deactivated", "an account is deactivated");
  return other("account_other", "an account has another status");
}

function readCommit(event: Json, did: string): Meaning | undefined {
  const commit = objectOf(event["commit"]) ?? event;
  const record = objectOf(commit["record"]);
  const collection = textOf(commit["collection"]) ?? textOf(record?.["$type"]) ?? POSTS;
  if (collection !== POSTS) {
    const name = names.has(collection) ? (collection as OtherName) : "other_collection";
    return other(name, `a commit to the collection ${collection.slice(0, 100)}`);
  }
  const rkey = textOf(commit["rkey"]);
  if (rkey === null || rkey === "") return undefined;
  const id = `${did}/${rkey}`;
  const observedAtMs = eventTime(event);
  const version = textOf(commit["rev"]);
  if (commit["operation"] === "delete") {
    const fields = deletion(id, {
      authorId: did,
      deletedAtMs: observedAtMs,
      observedAtMs,
      version,
    });
    return { kind: "delete", schema: "bluesky.v1", fields };
  }
  const fields: PostFields = {
    id,
    op: "upsert",
    createdAtMs: timeOf(record?.["createdAt"]) ?? observedAtMs,
    deletedAtMs: null,
    observedAtMs,
    version,
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
  return { kind: "post", schema: "bluesky.v1", fields };
}

function eventTime(event: Json): number | null {
  return timeOf(event["time_us"]) ?? timeOf(event["time"]);
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
