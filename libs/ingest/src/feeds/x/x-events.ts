import type { HybridgeEvent } from "@hybridge/core";
import type { Reconciled } from "./reconcile-rules.ts";

/** The rules at X are those of the configuration. */
export function rulesReconciled(done: Reconciled): HybridgeEvent {
  const { added, removed, kept, foreign } = done;
  const others =
    foreign === 0 ? "" : `; ${foreign} of others on the same app bring their posts too`;
  return {
    name: "x.rules_reconciled",
    level: foreign === 0 ? "info" : "warn",
    message: `rules at X: ${added} added, ${removed} removed, ${kept} as they were${others}`,
    fields: { ...done },
  };
}

/** The stream, or a try to open it, has ended. */
export function streamEnded(reason: string, waitMs: number, error?: unknown): HybridgeEvent {
  return {
    name: "x.stream_ended",
    level: "warn",
    message: `${reason}; connecting again ${waitMs === 0 ? "now" : `in ${seconds(waitMs)} s`}`,
    fields: { waitMs },
    ...(error === undefined ? {} : { error }),
    measurements: [
      { kind: "counter", name: "hybridge_feed_disconnects_total", value: 1, labels: { feed: "x" } },
    ],
  };
}

/** There was no stream for a while, and the plan cannot bring that time back. */
export function streamGap(fromMs: number, toMs: number): HybridgeEvent {
  const [from, to] = [fromMs, toMs].map((ms) => new Date(ms).toISOString());
  return {
    name: "x.gap",
    level: "error",
    message: `no stream from ${from} to ${to}: posts of that time did not come, and the plan cannot bring them back (search, or an enterprise plan's backfill, could)`,
    fields: { from, to, gapMs: toMs - fromMs },
    measurements: [
      {
        kind: "counter",
        name: "hybridge_feed_gap_seconds_total",
        value: (toMs - fromMs) / 1_000,
        labels: { feed: "x" },
      },
    ],
  };
}

/** The bound of posts a month is reached. */
export function readsUsedUp(reads: number, untilMs: number): HybridgeEvent {
  const until = new Date(untilMs).toISOString();
  return {
    name: "x.reads_used_up",
    level: "error",
    message: `${reads} posts were read from X this month, which is the bound that was set; nothing more is read until ${until}`,
    fields: { reads, until },
  };
}

/** A line of the stream is longer than a post may be. */
export function lineTooLong(bytes: number, bytesMax: number): HybridgeEvent {
  return {
    name: "x.line_too_long",
    level: "error",
    message: `a message of ${bytes} bytes was passed over: more than HYBRIDGE_POST_BYTES_MAX, ${bytesMax}`,
    fields: { bytes, bytesMax },
  };
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(ms < 10_000 ? 2 : 0);
}
