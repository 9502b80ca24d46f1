import type { Emit, MonotonicClock } from "@hybridge/core";
import type { OtherName, PostSchema } from "@hybridge/tweet";

/**
 * The port between a source of posts and the spool. A feed knows its protocol, its cursor and its
 * back-off, and appends what the source says; everything else is done once, behind the sink: what is
 * a post and what is not, dead letters, what was said twice, the spool, Kafka.
 *
 * The life of a feed:
 * 1. It is constructed once, without I/O beyond the checks that a start should fail on (ConfigError).
 * 2. `run` is called. The sink knows the cursor of the last batch that was kept, from this process or
 *    an earlier one. The feed connects, and appends until the signal is aborted.
 * 3. The signal is aborted when the process stops, and when somebody pauses the feed: it closes its
 *    connections and returns or throws the signal's reason. To resume, `run` is called again; there is
 *    nothing else to a pause.
 * 4. When `run` throws, it is called again after a while (retryOf decides; "never" ends this feed,
 *    and the others go on). What the source publishes about reconnecting is the feed's own matter:
 *    it waits and connects again inside `run`, and throws only what it has no rule for.
 * 5. When `run` returns and the signal is not aborted, the source is exhausted: the feed has ended.
 */
export interface Feed {
  /** Unique in the process and the same in every run: cursors are kept under it ("x", "bluesky", "replay"). */
  readonly name: string;
  /** The header `hybridge-source` of its records. */
  readonly source: SourceName;
  /**
   * What `append` does when the spool is full. "wait": it resolves when there is room, so a source
   * that can be paused or read again loses nothing. "drop": it resolves at once with `kept: false`, which is
   * counted and told as lost; for a source that cuts off a slow reader and gives nothing twice.
   */
  readonly whenFull: "wait" | "drop";
  run(sink: FeedSink, signal: AbortSignal): Promise<void>;
  /** Cheap; called by status requests at any time, also before and between runs. */
  status(): FeedStatus;
  /** Only for sources that filter by rules that can be changed while they run. */
  readonly rules?: FeedRules;
}

export type SourceName = "x" | "bluesky" | "replay" | "push";

/** Where a feed puts what it read. */
export interface FeedSink {
  /**
   * The cursor of the last batch that was kept, undefined when there is none. Appending moves it at
   * once; what a source still has in flight when a run ends is simply read again from here.
   */
  cursor(part?: string): string | undefined;
  /** All parts that have a cursor, for feeds that read several things, each with its own place. */
  parts(): readonly string[];
  /**
   * Keeps the items and the cursor, all or nothing: after a crash either both are there or neither.
   * Resolves when they are in the spool (as safe against a power cut as the spool is set to be). Until then the
   * feed should read no further: that is the back-pressure. Calls may overlap; they take effect in
   * their order.
   *
   * @throws the signal's reason, or what makes the spool unusable
   */
  append(batch: FeedBatch, signal: AbortSignal): Promise<Appended>;
}

/** What became of a batch. */
export interface Appended {
  /** False when the spool was full and nothing was kept (only with whenFull "drop"): go on with the next batch. */
  readonly kept: boolean;
  /** Posts and deletions among the items that were new. */
  readonly records: number;
}

/** Some items in their order; a few hundred at a time, or what came within some 20 ms. */
export interface FeedBatch {
  /** May be empty: then only the cursor moves (do that about once a second on a quiet source). */
  readonly items: readonly FeedItem[];
  /**
   * Where reading goes on when these items are kept, and whatever else the feed must know after a
   * restart (a JSON text, say). At most 64 KiB. Items that come again behind it are removed by
   * (id, op, version), so it may be a little early and must never be late.
   */
  readonly cursor: string;
  /** Which part of the feed the cursor is of; default "". */
  readonly part?: string;
}

/** One message, line or element of a source. */
export interface FeedItem {
  /**
   * The source's JSON, byte for byte as it came, in a buffer that nobody writes to afterwards (a view
   * of a large one is fine). It may hold one post, a page of posts, a deletion, or something that is
   * no post: the sink reads that out of the bytes (readPosts of @hybridge/tweet), and what cannot be
   * read becomes a dead letter.
   */
  readonly bytes: Buffer;
  /** What the bytes say, only where the feed has read or made them itself; then they are not read again. */
  readonly known?: KnownItem;
  /** Where it stands in something that can be looked at; default: the feed's name and no place. */
  readonly origin?: ItemOrigin;
}

/** What readPosts would tell. */
export type KnownItem =
  | KnownPost
  | { readonly kind: "other"; readonly name: OtherName }
  | { readonly kind: "unreadable"; readonly code: string; readonly reason: string };

/** One post or deletion, of an account with all of its posts too; the bytes are the value of its record. */
export interface KnownPost {
  readonly kind: "post" | "delete" | "account";
  /** The key of the record: the post's id; of an author who is gone `account:` and the id. */
  readonly id: string;
  readonly schema: PostSchema;
  /** Tells an edit from the same again. */
  readonly version?: string;
}

export interface ItemOrigin {
  /** What a person would open: the name of a file. */
  readonly file: string;
  /** Line of the file, or value of its document, from 1. */
  readonly line: number;
  readonly byteOffset: number;
}

/** What a feed tells of itself. Rates, counts and whether it is paused are known behind the sink. */
export interface FeedStatus {
  /**
   * WAITING: for a back-off, a rate limit, a cap or a cursor; `detail` says for what and until when.
   * CONNECTING: asking the source. STREAMING: healthy, also when the source is silent.
   */
  readonly state: "IDLE" | "CONNECTING" | "STREAMING" | "WAITING" | "ENDED";
  /** For people; empty when there is nothing to say. */
  readonly detail: string;
  /** How far the last item was behind the time at which the source made it, in ms. */
  readonly lagMs?: number;
  /** The last time that the source, or the way to it, went away. */
  readonly lastDisconnect?: { readonly atMs: number; readonly reason: string };
  /** Posts that may still be read this month, where the source counts that. */
  readonly readsLeft?: number;
}

/** Rules that a source filters by. The source is what holds them; this lists and changes those that are ours. */
export interface FeedRules {
  list(signal: AbortSignal): Promise<readonly FeedRule[]>;
  /**
   * Adds first, then removes, so that nothing goes unseen in between.
   *
   * @returns the rules afterwards
   * @throws HybridgeError of kind "invalid" for what the source would not take; nothing is changed then
   */
  change(change: RulesChange, signal: AbortSignal): Promise<readonly FeedRule[]>;
}

export interface FeedRule {
  /** As the source names it. */
  readonly id: string;
  readonly value: string;
  readonly tag: string;
}

export interface RulesChange {
  readonly add: readonly { readonly value: string; readonly tag?: string }[];
  /** Ids of rules that are ours. */
  readonly remove: readonly string[];
}

/** What every feed is given when it is constructed. Time and chance come from here only. */
export interface FeedTools {
  readonly emit: Emit;
  readonly clock: MonotonicClock;
  /** From 0 (inclusive) to 1. */
  readonly random: () => number;
}
