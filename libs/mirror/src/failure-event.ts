import type { HybridgeEvent } from "@hybridge/core";
import { FencedError, OffsetOutOfRangeError } from "@hybridge/kafka";
import { ForeignWriterError, LogDivergedError, TopicRecreatedError } from "@hybridge/kafka/raw";
import { TargetDeletedError, TargetDivergedError, TargetLostError } from "./errors.ts";
import { mirrorEvents } from "./events.ts";
import type { Route } from "./route.ts";

/** The event that names what a partition failed of; undefined for what has no name of its own. */
export function eventOf(route: Route, error: unknown): HybridgeEvent | undefined {
  if (error instanceof FencedError) return mirrorEvents.fenced(route, error);
  if (error instanceof TopicRecreatedError) return mirrorEvents.topicRecreated(route, error);
  if (error instanceof LogDivergedError) return mirrorEvents.sourceDiverged(route, error);
  if (error instanceof ForeignWriterError) return mirrorEvents.foreignWriter(route, error);
  if (error instanceof TargetDivergedError) return mirrorEvents.targetDiverged(route, error);
  if (error instanceof TargetLostError) return mirrorEvents.targetLost(route, error.loss, error);
  if (error instanceof TargetDeletedError) return mirrorEvents.targetDeleted(route, error);
  if (!(error instanceof OffsetOutOfRangeError)) return undefined;
  const { position, startOffset } = error;
  if (position >= startOffset) return mirrorEvents.sourceDiverged(route, error);
  return mirrorEvents.sourceTruncated(route, position, startOffset);
}
