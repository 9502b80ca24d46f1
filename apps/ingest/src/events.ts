import type { HybridgeEvent } from "@hybridge/core";
import type { IngestState } from "./status.ts";
import type { ResumePoint } from "./resume.ts";

/** The state changed: told once per change. */
export function stateChanged(state: IngestState, reason: string): HybridgeEvent {
  return {
    name: "ingest.state_changed",
    level: state === "DEGRADED" ? "warn" : "info",
    message: reason === "" ? `ingest is ${state}` : `ingest is ${state}: ${reason}`,
    fields: { state, reason },
  };
}

export function resumed(topic: string, stream: string, point: ResumePoint): HybridgeEvent {
  const { from, partitions } = point;
  return {
    name: "ingest.resumed",
    level: "info",
    message:
      from === 0
        ? `${topic} has nothing of ${stream} yet: beginning`
        : `${topic} has everything of ${stream} before place ${from}: going on there`,
    fields: { topic, stream, from, partitions },
  };
}

/** Ids may come twice: the same posts may stand in both streams. */
export function otherStreamFound(topic: string, stream: string, other: string): HybridgeEvent {
  return {
    name: "ingest.other_stream_found",
    level: "warn",
    message:
      `${topic} also holds posts of ${other}, and this is ${stream} (other files or another seed): ` +
      "posts that are in both are in the topic twice",
    fields: { topic, stream, other },
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

export function deadLettered(file: string, item: number, reason: string): HybridgeEvent {
  return {
    name: "post.dead_lettered",
    level: "warn",
    message: `item ${item} of ${file} is put aside: ${reason}`,
    fields: { file, item, reason },
    measurements: [{ kind: "counter", name: "hybridge_ingest_dead_letters_total", value: 1 }],
  };
}

export function duplicateLeftOut(file: string, item: number, reason: string): HybridgeEvent {
  return {
    name: "post.duplicate_left_out",
    level: "debug",
    message: `item ${item} of ${file} is left out: ${reason}`,
    fields: { file, item, reason },
  };
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
