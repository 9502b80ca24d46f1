/** The forms of JSON that posts come in; the value of the header `hybridge-schema`. */
export type PostSchema = "x.v1.1" | "x.v2" | "bluesky.v1";

/** What all forms have in common, as the source gave it: nothing is cleaned or cut yet. */
export interface PostFields {
  readonly id: string;
  readonly op: "upsert" | "delete";
  /** Milliseconds since 1970, or null when the source gives no readable time. */
  readonly createdAtMs: number | null;
  readonly deletedAtMs: number | null;
  /** When the source passed it on, by its own clock, where its messages say so. */
  readonly observedAtMs: number | null;
  /** Tells the states of a post that may change under one id apart; null where none may. */
  readonly version: string | null;
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
  observedAtMs: null,
  version: null,
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

/** The fields of a deletion: an id, perhaps an author and a time, never what was said. */
export function deletion(
  id: string,
  rest: Partial<
    Pick<PostFields, "authorId" | "deletedAtMs" | "createdAtMs" | "observedAtMs" | "version">
  > = {},
): PostFields {
  return { ...NOTHING, ...rest, id, op: "delete" };
}

/**
 * The id under which an author's end is kept: no post has it, since the ids of X are digits and
 * those of Bluesky begin with `did:`.
 */
export function accountKey(authorId: string): string {
  return `account:${authorId}`;
}
