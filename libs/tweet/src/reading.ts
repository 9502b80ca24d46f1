import type { PostFields, PostSchema } from "./post.ts";

/** Notices of X that are counted by the name of their one member. */
export const countedNotices = [
  // API v1.1 streams and compliance (developer.x.com, "Streaming message types")
  "limit",
  "warning",
  "disconnect",
  "scrub_geo",
  "status_withheld",
  "user_withheld",
  "user_undelete",
  "user_protect",
  "user_unprotect",
  "user_suspend",
  "user_unsuspend",
  "user_profile_modification",
  "friends",
  "event",
  "direct_message",
  // API v2 (docs.x.com, "Compliance streams", "Batch compliance")
  "withheld",
  "drop",
  "undrop",
  "tweet_edit",
  "errors",
] as const;

/** Messages of the sources that are understood and are about no post; labels of metrics. */
export const otherNames = [
  ...countedNotices,
  // X API v2
  "empty_page",
  "user",
  // Elements of a personal archive beside its posts
  "archive",
  // Jetstream: the collections of app.bsky, others together, and events that are no commits
  "app.bsky.feed.like",
  "app.bsky.feed.repost",
  "app.bsky.feed.threadgate",
  "app.bsky.feed.postgate",
  "app.bsky.feed.generator",
  "app.bsky.graph.follow",
  "app.bsky.graph.block",
  "app.bsky.graph.list",
  "app.bsky.graph.listitem",
  "app.bsky.graph.listblock",
  "app.bsky.graph.starterpack",
  "app.bsky.graph.verification",
  "app.bsky.actor.profile",
  "other_collection",
  "identity",
  "account_active",
  "account_suspended",
  "account_deactivated",
  "account_other",
  "sync",
  "info",
] as const;

export type OtherName = (typeof otherNames)[number];

/** Why nobody can make sense of some bytes. Stable: dead letters and metrics carry it. */
export type UnreadableCode =
  | "EMPTY"
  | "NOT_UTF8"
  | "NOT_JSON"
  | "TOO_DEEP"
  | "NOT_AN_OBJECT"
  | "NO_ID"
  | "SEVERAL_POSTS"
  | "TOO_LARGE";

interface Change {
  /** The record's key: the id of the post, or `account:<author>`. */
  readonly id: string;
  readonly schema: PostSchema;
  /** The record's value. */
  readonly value: Buffer;
  readonly fields: PostFields;
}

/** What some bytes say. */
export type Reading =
  /** Somebody posted, or changed a post. */
  | (Change & { readonly kind: "post" })
  /** A post is gone. */
  | (Change & { readonly kind: "delete" })
  /** An author is gone, and with him all of his posts; fields.authorId says who. */
  | (Change & { readonly kind: "account" })
  | { readonly kind: "other"; readonly name: OtherName; readonly reason: string }
  | { readonly kind: "unreadable"; readonly code: UnreadableCode; readonly reason: string };

/** What an object says, before it is known which bytes it comes from. */
export type Meaning =
  | {
      readonly kind: "post" | "delete" | "account";
      readonly schema: PostSchema;
      readonly fields: PostFields;
    }
  | Extract<Reading, { readonly kind: "other" }>;

export function other(name: OtherName, reason: string): Meaning {
  return { kind: "other", name, reason };
}
