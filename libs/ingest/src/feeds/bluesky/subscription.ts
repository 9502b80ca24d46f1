import { ConfigError } from "@hybridge/core";

/** Where reading goes on. */
export interface JetstreamCursor {
  /** The instance that gave the number: another one numbers otherwise. Empty before the first event. */
  readonly endpoint: string;
  readonly seq: number;
  /** Of the event with that number. */
  readonly timeMs: number;
}

/** How a subscription begins. */
export type Start =
  | { readonly from: "now" }
  /** Inclusive: the event with that number comes again. */
  | { readonly from: "seq"; readonly seq: number }
  /** At the first event that the instance saw then or later. */
  | { readonly from: "time"; readonly timeMs: number };

/** Instances see an event some seconds apart; what comes twice is removed behind the sink. */
const OVERLAP_MS = 5_000;
/** The lexicon's bound of `dids`. */
const DIDS_MAX = 10_000;

/** Where to begin at an instance, after what the cursor says. */
export function startAt(endpoint: string, cursor: JetstreamCursor | undefined): Start {
  if (!cursor) return { from: "now" };
  if (cursor.endpoint === endpoint) return { from: "seq", seq: cursor.seq };
  return startByTime(cursor);
}

/** A little before the cursor's event, whose number is not to be had or not to be trusted. */
export function startByTime({ timeMs }: JetstreamCursor): Start {
  return { from: "time", timeMs: timeMs - OVERLAP_MS };
}

/** What is asked of an instance. */
export interface Wanted {
  /** None: everybody. */
  readonly dids: readonly string[];
  readonly frameBytesMax: number;
}

/**
 * The address of a subscription to posts and accounts
 * (/xrpc/network.bsky.jetstream.subscribeEvents). Numbers from 1e15 on are times in µs there.
 */
export function subscriptionUrl(
  endpoint: string,
  start: Start,
  { dids, frameBytesMax }: Wanted,
): string {
  const url = new URL(`${endpoint}/xrpc/network.bsky.jetstream.subscribeEvents`);
  url.searchParams.append("kinds", "commit");
  url.searchParams.append("kinds", "account");
  url.searchParams.append("collections", "app.bsky.feed.post");
  // A frame that we would not take is not sent, or it would come again after each new connection.
  url.searchParams.append("maxMessageSizeBytes", String(frameBytesMax));
  for (const did of dids) url.searchParams.append("dids", did);
  if (start.from === "seq") url.searchParams.append("cursor", String(start.seq));
  if (start.from === "time")
    url.searchParams.append("cursor", String(Math.floor(start.timeMs) * 1_000));
  return url.href;
}

/** @throws ConfigError for more authors than Jetstream takes, or what is neither a handle nor a DID */
export function checkAuthors(authors: readonly string[]): void {
  const wrong = authors.filter((author) => {
    return !/^did:(plc|web):[\w.:%-]+$/.test(author) && !/^@?([\w-]+\.)+[a-z]{2,}$/i.test(author);
  });
  if (wrong.length > 0) {
    throw new ConfigError(
      `authors on Bluesky are handles such as name.bsky.social, or DIDs, not ${wrong.join(", ")}`,
    );
  }
  if (authors.length > DIDS_MAX) {
    throw new ConfigError(
      `${authors.length} authors on Bluesky: Jetstream takes ${DIDS_MAX} in a subscription`,
    );
  }
}
