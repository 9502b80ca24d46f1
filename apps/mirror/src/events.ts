import type { HybridgeEvent } from "@hybridge/core";

/** A partition of the source and where it goes. */
export interface Route {
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly partition: number;
}

const labels = (route: Route) => ({
  topic: route.sourceTopic,
  partition: String(route.partition),
});

const one = (name: string, route: Route, value = 1) => ({
  kind: "counter" as const,
  name,
  value,
  labels: labels(route),
});

/** What can happen in the mirror: each is logged and counted by one emit. */
export const mirrorEvents = {
  partitionStarted: (route: Route, from: bigint, at: bigint, epoch: number): HybridgeEvent => ({
    name: "mirror.partition_started",
    level: "info",
    message: `mirror ${route.sourceTopic}-${route.partition} from source offset ${from} to target offset ${at}`,
    fields: { ...route, sourceOffset: String(from), targetOffset: String(at), epoch },
    measurements: [one("mirror_partition_starts_total", route)],
  }),
  partitionInterrupted: (route: Route, error: unknown): HybridgeEvent => ({
    name: "mirror.partition_interrupted",
    level: "warn",
    message: `${route.sourceTopic}-${route.partition} stopped and starts again from the target's end`,
    fields: { ...route },
    error,
    measurements: [one("mirror_partition_interruptions_total", route)],
  }),
  partitionFailed: (route: Route, error: unknown): HybridgeEvent => ({
    name: "mirror.partition_failed",
    level: "error",
    message: `${route.sourceTopic}-${route.partition} is no longer mirrored`,
    fields: { ...route },
    error,
    measurements: [one("mirror_partition_failures_total", route)],
  }),
  tailRecovered: (route: Route, records: bigint): HybridgeEvent => ({
    name: "mirror.tail_recovered",
    level: "info",
    message: `${route.sourceTopic}-${route.partition}: ${records} records behind the last written position were found in the target`,
    fields: { ...route, records: String(records) },
  }),
  sourceTruncated: (route: Route, first: bigint, next: bigint): HybridgeEvent => ({
    name: "mirror.source_truncated",
    level: "error",
    message: `${route.sourceTopic}-${route.partition}: source offsets ${first} to ${next - 1n} were deleted before they were mirrored`,
    fields: { ...route, firstOffset: String(first), lastOffset: String(next - 1n) },
    measurements: [one("mirror_source_offsets_lost_total", route, Number(next - first))],
  }),
  deadLetter: (route: Route, offset: bigint, reason: string): HybridgeEvent => ({
    name: "mirror.dead_letter",
    level: "error",
    message: `${route.sourceTopic}-${route.partition} offset ${offset} was put aside: ${reason}`,
    fields: { ...route, sourceOffset: String(offset), reason },
    measurements: [one("mirror_dead_letters_total", route)],
  }),
  topicCreated: (sourceTopic: string, targetTopic: string, partitions: number): HybridgeEvent => ({
    name: "mirror.target_topic_ensured",
    level: "info",
    message: `target topic ${targetTopic} has the ${partitions} partitions of ${sourceTopic}`,
    fields: { sourceTopic, targetTopic, partitions },
  }),
  degraded: (reason: string, error: unknown): HybridgeEvent => ({
    name: "mirror.degraded",
    level: "warn",
    message: reason,
    error,
  }),
  recovered: (): HybridgeEvent => ({
    name: "mirror.recovered",
    level: "info",
    message: "source and target answer again",
  }),
  positionsLate: (error: unknown): HybridgeEvent => ({
    name: "mirror.positions_late",
    level: "warn",
    message: "the positions could not be written; a restart would compare more of the target",
    error,
  }),
} as const;
