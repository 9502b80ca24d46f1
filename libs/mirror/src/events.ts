import type { CounterName, HybridgeEvent } from "@hybridge/core";
import type { OpenTransaction } from "./held-back.ts";
import type { Route } from "./route.ts";
import type { TargetLoss } from "./tenure/target-loss.ts";
import type { TargetConcern } from "./topics/target-settings.ts";

const labels = (route: Route) => ({
  topic: route.sourceTopic,
  partition: String(route.partition),
});

const one = (name: CounterName, route: Route, value = 1) => ({
  kind: "counter" as const,
  name,
  value,
  labels: labels(route),
});

/** Why a partition does not move although its source grows, and what to do. */
export function heldBackBy({ sourceTopic, partition }: Route, open: OpenTransaction): string {
  const { producerId, sinceMs, offset, offsetsHeld } = open;
  return `a transaction of producer ${producerId}, open since ${timeOf(sinceMs)}, holds back ${offsetsHeld} offsets from ${offset} on; if its producer is gone, end it: kafka-transactions abort --topic ${sourceTopic} --partition ${partition} --start-offset ${offset}`;
}

/** What becomes of records that are not mirrored in time. */
export function retentionNear(leftMs: number): string {
  return leftMs > 0
    ? `the source's retention deletes what is not mirrored yet in ${Math.ceil(leftMs / 1_000)} s`
    : "the source's retention deletes what is not mirrored yet as soon as its segment is closed";
}

/** Also of times that no calendar has. */
function timeOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}

/** What can happen in the mirror: each is logged and counted by one emit. */
export const mirrorEvents = {
  partitionStarted: (route: Route, from: bigint, at: bigint, epoch: number): HybridgeEvent => ({
    name: "mirror.partition_started",
    level: "info",
    message: `mirror ${route.sourceTopic}-${route.partition} from source offset ${from} to target offset ${at}`,
    fields: { ...route, sourceOffset: String(from), targetOffset: String(at), epoch },
    measurements: [one("hybridge_mirror_partition_starts_total", route)],
  }),
  partitionInterrupted: (route: Route, error: unknown): HybridgeEvent => ({
    name: "mirror.partition_interrupted",
    level: "warn",
    message: `${route.sourceTopic}-${route.partition} stopped and starts again from the target's end`,
    fields: { ...route },
    error,
    measurements: [one("hybridge_mirror_partition_interruptions_total", route)],
  }),
  partitionFailed: (route: Route, error: unknown): HybridgeEvent => ({
    name: "mirror.partition_failed",
    level: "error",
    message: `${route.sourceTopic}-${route.partition} is no longer mirrored`,
    fields: { ...route },
    error,
    measurements: [one("hybridge_mirror_partition_failures_total", route)],
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
    measurements: [one("hybridge_mirror_source_offsets_lost_total", route, Number(next - first))],
  }),
  deadLetter: (route: Route, offset: bigint, count: number, reason: string): HybridgeEvent => ({
    name: "mirror.dead_letter",
    level: "error",
    message: `${route.sourceTopic}-${route.partition} offset ${offset}${count > 1 ? ` to ${offset + BigInt(count) - 1n}` : ""} was put aside: ${reason}`,
    fields: { ...route, sourceOffset: String(offset), count, reason },
    measurements: [one("hybridge_mirror_dead_letters_total", route)],
  }),
  topicRecreated: (route: Route, error?: unknown): HybridgeEvent => ({
    name: "mirror.topic_recreated",
    level: "error",
    message: `${route.sourceTopic}-${route.partition}: the source topic was deleted and created again; ${error === undefined ? "it is mirrored from its beginning, behind the records of the old one" : "it is not mirrored"}`,
    fields: { ...route },
    error,
    measurements: [one("hybridge_mirror_topics_recreated_total", route)],
  }),
  sourceDiverged: (route: Route, error: unknown): HybridgeEvent => ({
    name: "mirror.source_diverged",
    level: "error",
    message: `${route.sourceTopic}-${route.partition}: the source lost records that had been mirrored`,
    fields: { ...route },
    error,
    measurements: [one("hybridge_mirror_source_divergences_total", route)],
  }),
  targetDiverged: (route: Route, error: unknown): HybridgeEvent => ({
    name: "mirror.target_diverged",
    level: "error",
    message: `${route.targetTopic}-${route.partition}: the target holds what the source does not, or lost what it held`,
    fields: { ...route },
    error,
    measurements: [one("hybridge_mirror_target_divergences_total", route)],
  }),
  targetLost: (route: Route, loss: TargetLoss, error?: unknown): HybridgeEvent => ({
    name: "mirror.target_lost",
    level: "error",
    message: `${route.targetTopic}-${route.partition}: the target lost ${loss.records} records that it had acknowledged, source offsets ${loss.sourceFrom} to ${loss.sourceEnd - 1n}${error === undefined ? "; they are copied again" : ""}`,
    fields: {
      ...route,
      records: String(loss.records),
      firstSourceOffset: String(loss.sourceFrom),
      lastSourceOffset: String(loss.sourceEnd - 1n),
      firstTargetOffset: String(loss.targetFrom),
      lastTargetOffset: String(loss.targetEnd - 1n),
    },
    error,
    measurements: [one("hybridge_mirror_target_records_lost_total", route, Number(loss.records))],
  }),
  retentionNear: (route: Route, leftMs: number): HybridgeEvent => ({
    name: "mirror.source_retention_near",
    level: "error",
    message: `${route.sourceTopic}-${route.partition}: ${retentionNear(leftMs)}; raise retention.ms of the topic, or let the mirror catch up`,
    fields: { ...route, leftMs: Math.max(0, Math.round(leftMs)) },
    measurements: [one("hybridge_mirror_source_retention_near_total", route)],
  }),
  transactionOpen: (route: Route, open: OpenTransaction): HybridgeEvent => ({
    name: "mirror.source_transaction_open",
    level: "warn",
    message: `${route.sourceTopic}-${route.partition}: ${heldBackBy(route, open)}`,
    fields: {
      ...route,
      producerId: String(open.producerId),
      since: timeOf(open.sinceMs),
      firstOffset: String(open.offset),
      offsetsHeld: String(open.offsetsHeld),
    },
    measurements: [one("hybridge_mirror_source_transactions_open_total", route)],
  }),
  transactionEnded: (route: Route): HybridgeEvent => ({
    name: "mirror.source_transaction_ended",
    level: "info",
    message: `${route.sourceTopic}-${route.partition}: the transaction that held it back has ended`,
    fields: { ...route },
  }),
  targetDeleted: (route: Route, error?: unknown): HybridgeEvent => ({
    name: "mirror.target_deleted",
    level: "error",
    message: `${route.targetTopic}-${route.partition}: the target topic was deleted after records had been mirrored to it${error === undefined ? "; it is filled again from the beginning of the source" : ""}`,
    fields: { ...route },
    error,
    measurements: [one("hybridge_mirror_target_deletions_total", route)],
  }),
  targetSettings: (targetTopic: string, concern: TargetConcern): HybridgeEvent => {
    const { setting, value, effect, remedy, isRefused } = concern;
    return {
      name: "mirror.target_settings",
      level: isRefused ? "error" : "warn",
      message: `target topic ${targetTopic} has ${setting}=${value}: ${effect}; ${remedy}`,
      fields: { targetTopic, setting, value },
      measurements: [
        {
          kind: "counter",
          name: "hybridge_mirror_target_settings_total",
          value: 1,
          labels: { topic: targetTopic, setting },
        },
      ],
    };
  },
  settingLeftOut: (targetTopic: string, setting: string, value: string): HybridgeEvent => ({
    name: "mirror.setting_left_out",
    level: "warn",
    message: `target topic ${targetTopic} is made without ${setting}=${value}, which the target does not know`,
    fields: { targetTopic, setting, value },
  }),
  foreignWriter: (route: Route, error: unknown): HybridgeEvent => ({
    name: "mirror.foreign_writer",
    level: "error",
    message: `${route.targetTopic}-${route.partition}: somebody else writes to the target`,
    fields: { ...route },
    error,
    measurements: [one("hybridge_mirror_foreign_writers_total", route)],
  }),
  fenced: (route: Route, error: unknown): HybridgeEvent => ({
    name: "mirror.fenced",
    level: "error",
    message: `${route.sourceTopic}-${route.partition}: another mirror took over`,
    fields: { ...route },
    error,
    measurements: [one("hybridge_mirror_fences_total", route)],
  }),
  partitionPaused: (route: Route, since: string): HybridgeEvent => ({
    name: "mirror.partition_paused",
    level: "info",
    message: `${route.sourceTopic}-${route.partition} is paused by an operator since ${since}`,
    fields: { ...route, since },
    measurements: [one("hybridge_mirror_partition_pauses_total", route)],
  }),
  partitionResumed: (route: Route): HybridgeEvent => ({
    name: "mirror.partition_resumed",
    level: "info",
    message: `${route.sourceTopic}-${route.partition} is resumed by an operator`,
    fields: { ...route },
    measurements: [one("hybridge_mirror_partition_resumes_total", route)],
  }),
  topicRefused: (sourceTopic: string, targetTopic: string, error: unknown): HybridgeEvent => ({
    name: "mirror.topic_refused",
    level: "error",
    message: `topic ${sourceTopic} is not mirrored: it cannot be looked at, or its target ${targetTopic} cannot be prepared; it is tried again`,
    fields: { sourceTopic, targetTopic },
    error,
    measurements: [
      {
        kind: "counter",
        name: "hybridge_mirror_topics_refused_total",
        value: 1,
        labels: { topic: sourceTopic },
      },
    ],
  }),
  sourceTopicDeleted: (sourceTopic: string, partitions: number): HybridgeEvent => ({
    name: "mirror.source_topic_deleted",
    level: "warn",
    message: `the source no longer has topic ${sourceTopic}; its ${partitions} partitions are no longer mirrored`,
    fields: { sourceTopic, partitions },
    measurements: [
      {
        kind: "counter",
        name: "hybridge_mirror_source_topics_deleted_total",
        value: 1,
        labels: { topic: sourceTopic },
      },
    ],
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
