import { describeError, retryOf, type HybridgeEvent, type Measurement } from "@hybridge/core";
import type { WrittenLetters } from "./dead-letters.ts";
import type { IngestState } from "./status.ts";
import type { Counts } from "./tally.ts";

/** The state changed: told once per change. */
export function stateChanged(state: IngestState, reason: string): HybridgeEvent {
  return {
    name: "ingest.state_changed",
    level: state === "DEGRADED" ? "warn" : "info",
    message: reason === "" ? `ingest is ${state}` : `ingest is ${state}: ${reason}`,
    fields: { state, reason },
  };
}

/** How far a replay was read. `who` tells it: the spool, or for a spool that is new the topic. */
export function resumed(who: string, source: string, newest: string | undefined): HybridgeEvent {
  return {
    name: "ingest.resumed",
    level: "info",
    message:
      newest === undefined
        ? `${who} has nothing of ${source} yet: beginning`
        : `${who} has posts up to ${newest}: going on behind them with what it lacks of ${source}`,
    fields: { who, source, newest },
  };
}

/** Ids may come twice, once the window of what was said is past them. */
export function otherStreamsFound(
  who: string,
  source: string,
  streams: readonly string[],
): HybridgeEvent {
  return {
    name: "ingest.other_stream_found",
    level: "warn",
    message:
      `${who} also knows posts of ${streams.slice(0, 5).join(", ")}${streams.length > 5 ? " and others" : ""}, ` +
      `and this is ${source} (other files, files that were changed where they were read already, or another seed): ` +
      "posts that are in both may be in the topic twice",
    fields: { who, source, streams: streams.length },
  };
}

/** A feed is run again, unless nothing can cure what it met. */
export function feedFailed(feed: string, error: unknown, waitMs: number): HybridgeEvent {
  const isFinal = retryOf(error) === "never";
  return {
    name: isFinal ? "feed.failed" : "feed.retried",
    level: isFinal ? "error" : "warn",
    message: isFinal
      ? `the feed ${feed} has ended for good: ${describeError(error)}`
      : `the feed ${feed} is run again in ${Math.round(waitMs)} ms: ${describeError(error)}`,
    fields: { feed },
    error,
  };
}

export function feedPaused(feed: string, isPaused: boolean): HybridgeEvent {
  return {
    name: isPaused ? "feed.paused" : "feed.resumed",
    level: "info",
    message: `the feed ${feed} was ${isPaused ? "paused" : "resumed"}`,
    fields: { feed },
  };
}

/** The spool was full, and the source neither waits nor gives anything twice. */
export function itemsDropped(feed: string, count: number): HybridgeEvent {
  return {
    name: "feed.dropped",
    level: "error",
    message: `${count} items of the feed ${feed} are lost: the spool has no room for them`,
    fields: { feed, count },
    measurements: [
      { kind: "counter", name: "hybridge_ingest_dropped_total", value: count, labels: { feed } },
    ],
  };
}

/** What a crash cut off in the middle of a write; nobody was told that it was kept. */
export function spoolTailCut(bytes: number): HybridgeEvent {
  return {
    name: "spool.tail_cut",
    level: "warn",
    message: `${bytes} bytes at the end of the spool are no whole frame and do not count`,
    fields: { bytes },
  };
}

/** An existing topic is never altered. */
export function partitionsDiffer(topic: string, has: number, wanted: number): HybridgeEvent {
  return {
    name: "ingest.partitions_differ",
    level: "warn",
    message:
      `${topic} has ${has} partitions and is used as it is; HYBRIDGE_TOPIC_PARTITIONS (${wanted}) ` +
      "counts only for a topic that ingest makes",
    fields: { topic, has, wanted },
  };
}

export function postsAcknowledged(count: number): HybridgeEvent {
  return {
    name: "posts.acknowledged",
    level: "debug",
    message: `Kafka acknowledged ${count} posts`,
    fields: { count },
    measurements: [{ kind: "counter", name: "hybridge_ingest_posts_total", value: count }],
  };
}

/** Told for a batch of them: a file may hold a million. */
export function deadLettersWritten({ counts, example }: WrittenLetters): HybridgeEvent {
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const { file, line, code, reason } = example;
  return {
    name: "posts.dead_lettered",
    level: "warn",
    message: `${all} put aside as dead letters, the first item ${line} of ${file}: ${code}: ${reason}`,
    fields: { count: all, codes: Object.fromEntries(counts), file, item: line },
    measurements: [...counts].map(([label, value]) => ({
      kind: "counter",
      name: "hybridge_ingest_dead_letters_total",
      value,
      labels: { code: label },
    })),
  };
}

/** What stood before is in the topic; the rest cannot be read. */
export function fileBroken(file: string, item: number, reason: string): HybridgeEvent {
  return {
    name: "replay.file_broken",
    level: "error",
    message: `${file} ends before its end, at item ${item}: ${reason}; mend the file and start again, it goes on there`,
    fields: { file, item, reason },
  };
}

/** What is no record and no dead letter is seen here, in the status and in the metrics. */
export function sourceRead(topic: string, counts: Counts): HybridgeEvent {
  const { posts, deletions, duplicates, unreadable, others } = counts;
  const rest = [...others].map(([name, count]) => `${count} ${name}`);
  return {
    name: "ingest.source_read",
    level: "info",
    message:
      `read all of the source: ${posts} posts, ${deletions} deletions; no records: ${duplicates} said twice, ` +
      `${unreadable} unreadable${rest.length > 0 ? `, ${rest.join(", ")}` : ""}`,
    fields: { topic, posts, deletions, duplicates, unreadable, ...Object.fromEntries(others) },
    measurements: [
      gauge("post", posts),
      gauge("deletion", deletions),
      gauge("duplicate", duplicates),
      gauge("unreadable", unreadable),
      ...[...others].map(([name, count]) => gauge(name, count)),
    ],
  };
}

function gauge(outcome: string, value: number): Measurement {
  return { kind: "gauge", name: "hybridge_ingest_read", value, labels: { outcome } };
}

export function sessionFailed(reason: string, error: unknown, waitMs: number): HybridgeEvent {
  return {
    name: "ingest.session_failed",
    level: "debug",
    message: `trying again in ${Math.round(waitMs)} ms: ${reason}`,
    fields: { waitMs: Math.round(waitMs) },
    error,
  };
}

export function pushListening(address: string): HybridgeEvent {
  return {
    name: "push.listening",
    level: "info",
    message: `posts are taken at ${address}`,
    fields: { address },
  };
}

/** A file of a folder that is followed holds nothing that posts could be read from. */
export function fileSkipped(path: string, error: unknown): HybridgeEvent {
  return {
    name: "replay.file_skipped",
    level: "warn",
    message: `${path} is left alone until it changes: ${describeError(error)}`,
    fields: { file: path },
  };
}
