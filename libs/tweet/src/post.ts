/** The forms of JSON that posts come in; the value of the header `hybridge-schema`. */
export type PostSchema = "x.v1.1" | "x.v2" | "bluesky.v1";

/** What all forms have in common, as the source gave it: nothing is cleaned or cut yet. */
export interface PostFields {
  readonly id: string;
  readonly op: "upsert" | "delete";
  /** Milliseconds since 1970, or null when the source gives no readable time. */
  readonly createdAtMs: number | null;
  readonly deletedAtMs: number | null;
  readonly authorId: string | null;
  readonly authorHandle: string | null;
  readonly authorName: string | null;
  readonly authorFollowers: bigint | null;
  readonly text: string | null;
  readonly lang: string | null;
  readonly hashtags: readonly string[];
  readonly replyToId: string | null;
  readonly repostOfId: string | null;
  readonly quoteOfId: string | null;
  readonly repostCount: bigint | null;
  readonly replyCount: bigint | null;
  readonly likeCount: bigint | null;
  readonly quoteCount: bigint | null;
  readonly possiblySensitive: boolean | null;
}

const NOTHING: Omit<PostFields, "id" | "op"> = {
  createdAtMs: null,
  deletedAtMs: null,
  authorId: null,
  authorHandle: null,
  authorName: null,
  authorFollowers: null,
  text: null,
  lang: null,
  hashtags: [],
  replyToId: null,
  repostOfId: null,
  quoteOfId: null,
  repostCount: null,
  replyCount: null,
  likeCount: null,
  quoteCount: null,
  possiblySensitive: null,
};

/** The fields of a deletion: an id, perhaps an author and a time. */
export function deletion(id: string, authorId: string | null, atMs: number | null): PostFields {
  return { ...NOTHING, id, op: "delete", authorId, deletedAtMs: atMs };
}

/** Milliseconds since 1970 of an ISO or RFC 2822-like time, or null. */
export function timeOf(value: unknown): number | null {
  if (typeof value !== "string") return null;
  const ms = Date.parse(value);
  return Number.isFinite(ms) ? ms : null;
}
