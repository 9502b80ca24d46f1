import type { Emit } from "@hybridge/core";
import {
  describeTopicConfig,
  makeTopic,
  type Cluster,
  type TopicMetadata,
} from "@hybridge/kafka/raw";
import { mirrorEvents } from "../events.ts";

/** Which source topics are mirrored, and under what names. */
export interface TopicRules {
  readonly allow: RegExp;
  readonly deny: RegExp;
  /** Topics that are asked for by name, so that it is told when they may not be seen. */
  readonly named: readonly string[];
  readonly prefix: string;
  /** Source and target are one: what begins with the prefix is our own output. */
  readonly isOneCluster: boolean;
  /** Never mirrored, whatever the patterns say. */
  readonly own: ReadonlySet<string>;
}

export function isWanted(topic: Pick<TopicMetadata, "name" | "isInternal">, rules: TopicRules) {
  const { name, isInternal } = topic;
  if (isInternal || name.startsWith("__") || rules.own.has(name)) return false;
  if (rules.isOneCluster && rules.prefix !== "" && name.startsWith(rules.prefix)) return false;
  return rules.allow.test(name) && !rules.deny.test(name);
}

/**
 * Settings that belong to a cluster and not to the data: throttles of a reassignment, what the
 * number of replicas allows, and where bytes would be changed on arrival.
 */
const NOT_COPIED = new Set([
  "compression.type",
  "follower.replication.throttled.replicas",
  "leader.replication.throttled.replicas",
  "message.timestamp.after.max.ms",
  "message.timestamp.before.max.ms",
  "message.timestamp.difference.max.ms",
  "message.timestamp.type",
  "min.insync.replicas",
  "unclean.leader.election.enable",
]);

/** Copied even when the source has them from its broker: they decide what stays in the topic. */
const EFFECTIVE = new Set([
  "cleanup.policy",
  "max.message.bytes",
  "retention.bytes",
  "retention.ms",
]);

const LONG_MAX = "9223372036854775807";

/**
 * What the target must do with batches that come from elsewhere: keep them as they are packed,
 * keep their times, and take times of any age.
 */
const FOR_A_MIRROR = {
  "compression.type": "producer",
  "message.timestamp.type": "CreateTime",
  "message.timestamp.before.max.ms": LONG_MAX,
  "message.timestamp.after.max.ms": LONG_MAX,
} as const;

/** Makes the target topic with the source's partitions and settings, or gives it more partitions. */
export async function ensureTarget(
  source: Cluster,
  target: Cluster,
  topic: TopicMetadata,
  targetName: string,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  const partitions = topic.partitions.length;
  const existing = target.known(targetName);
  if (existing && existing.partitions.length >= partitions) return;
  const [found] = (await target.describe([targetName], signal)).topics;
  if (found?.error === 0 && found.partitions.length >= partitions) return;
  const config: Record<string, string> = { ...FOR_A_MIRROR };
  for (const { name, value, isOwn } of await describeTopicConfig(source, topic.name, signal)) {
    if (value === null || NOT_COPIED.has(name)) continue;
    if (isOwn || EFFECTIVE.has(name)) config[name] = value;
  }
  await makeTopic(target, { topic: targetName, partitions, config }, signal);
  emit(mirrorEvents.topicCreated(topic.name, targetName, partitions));
}

/** Bytes that the topic takes in one batch. */
export async function batchBytesMax(
  target: Cluster,
  topic: string,
  signal: AbortSignal,
): Promise<number> {
  const entries = await describeTopicConfig(target, topic, signal);
  const value = entries.find(({ name }) => name === "max.message.bytes")?.value;
  return Number(value ?? 1_048_588);
}
