import type { HybridgeEvent } from "@hybridge/core";

/** A connection to Jetstream, or a try to open one, has ended. */
export function jetstreamEnded(reason: string, waitMs: number, next: string): HybridgeEvent {
  return {
    name: "bluesky.connection_ended",
    level: "warn",
    message: `${reason}; connecting to ${next} in ${(waitMs / 1_000).toFixed(1)} s`,
    fields: { waitMs, next },
    measurements: [
      {
        kind: "counter",
        name: "hybridge_feed_disconnects_total",
        value: 1,
        labels: { feed: "bluesky" },
      },
    ],
  };
}

/** What Jetstream no longer had when reading went on. */
export interface LostRange {
  readonly endpoint: string;
  /** Time of the last event that was read. */
  readonly fromMs: number;
  /** Time of the first event that there still is. */
  readonly toMs: number;
  /** Number of the last event that was read, where it is of this instance. */
  readonly afterSeq: number | undefined;
  /** Number of the first event that there still is. */
  readonly beforeSeq: number;
}

/** The cursor was older than what Jetstream keeps (36 hours): the events in between are not to be had. */
export function rangeLost({
  endpoint,
  fromMs,
  toMs,
  afterSeq,
  beforeSeq,
}: LostRange): HybridgeEvent {
  const [from, to] = [fromMs, toMs].map((ms) => new Date(ms).toISOString());
  const numbers = afterSeq === undefined ? "" : ` (numbers ${afterSeq + 1} to ${beforeSeq - 1})`;
  return {
    name: "bluesky.range_lost",
    level: "error",
    message: `the cursor is older than what ${endpoint} keeps: the events from ${from} to ${to}${numbers} are lost`,
    fields: { endpoint, from, to, afterSeq, beforeSeq },
    measurements: [
      {
        kind: "counter",
        name: "hybridge_feed_gap_seconds_total",
        value: Math.max(0, toMs - fromMs) / 1_000,
        labels: { feed: "bluesky" },
      },
    ],
  };
}

/** The event that was read last is not there: the instance was made anew, or has tidied it away. */
export function cursorUnknown(endpoint: string, seq: number, met: number): HybridgeEvent {
  return {
    name: "bluesky.cursor_unknown",
    level: "warn",
    message: `${endpoint} does not give the event ${seq} again, which was read last, but ${met}: going on by time`,
    fields: { endpoint, seq, met },
  };
}
