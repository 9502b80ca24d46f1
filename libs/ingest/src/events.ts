import type { HybridgeEvent, Measurement } from "@hybridge/core";
import type { WrittenLetters } from "./dead-letters.ts";
import type { IngestState } from "./status.ts";
import type { ResumePoint } from "./publisher/resume.ts";
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

export function resumed(topic: string, source: string, point: ResumePoint): HybridgeEvent {
  const { newest } = point;
  return {
    name: "ingest.resumed",
    level: "info",
    message:
      newest === undefined
        ? `${topic} has nothing of ${source} yet: beginning`
        : `${topic} has posts up to ${newest}: going on behind them with what it lacks of ${source}`,
    fields: { topic, source, newest },
  };
}

/** Ids may come twice: the same posts may stand in both streams. */
export function otherStreamsFound(
  topic: string,
  source: string,
  streams: readonly string[],
): HybridgeEvent {
  return {
    name: "ingest.other_stream_found",
    level: "warn",
    message:
      `${topic} also holds posts of ${streams.slice(0, 5).join(", ")}${streams.length > 5 ? " and others" : ""}, ` +
      `and this is ${source} (other files, files that were changed where they were read already, or another seed): ` +
      "posts that are in both are in the topic twice",
    fields: { topic, source, streams: streams.length },
  };
}

export function readingAll(topic: string): HybridgeEvent {
  return {
    name: "ingest.topic_read_through",
    level: "info",
    message: `the ends of the partitions of ${topic} do not tell how far this replay is: reading all of it`,
    fields: { topic },
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
