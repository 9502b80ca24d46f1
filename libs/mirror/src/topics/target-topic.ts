import { BrokerError } from "@hybridge/kafka";
import {
  describeTopicConfig,
  errorCode,
  makeTopic,
  type Cluster,
  type TopicMetadata,
} from "@hybridge/kafka/raw";
import type { MirrorContext } from "../context.ts";
import { TargetUnfitError } from "../errors.ts";
import { mirrorEvents } from "../events.ts";
import { concernsOf, settingsOf, withoutUnknown } from "./target-settings.ts";

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
export async function makeTarget(
  { source, target, emit }: Pick<MirrorContext, "source" | "target" | "emit">,
  topic: TopicMetadata,
  targetName: string,
  signal: AbortSignal,
): Promise<void> {
  const partitions = topic.partitions.length;
  let config: Readonly<Record<string, string>> = { ...FOR_A_MIRROR };
  for (const { name, value, isOwn } of await describeTopicConfig(source, topic.name, signal)) {
    if (value === null || NOT_COPIED.has(name)) continue;
    if (isOwn || EFFECTIVE.has(name)) config = { ...config, [name]: value };
  }
  for (;;) {
    try {
      await makeTopic(target, { topic: targetName, partitions, config }, signal);
      break;
    } catch (error) {
      const reduced = isInvalidConfig(error) ? withoutUnknown(config, error.message) : undefined;
      if (!reduced) throw error;
      emit(mirrorEvents.settingLeftOut(targetName, reduced.left, config[reduced.left] ?? ""));
      config = reduced.config;
    }
  }
  emit(mirrorEvents.topicCreated(topic.name, targetName, partitions));
}

function isInvalidConfig(error: unknown): error is BrokerError {
  return error instanceof BrokerError && error.kafkaCode === errorCode.invalidConfig;
}

/**
 * Looks at a target topic that was made by somebody else, and tells what is not as it should be.
 *
 * @throws TargetUnfitError when records would not be the same in it
 */
export async function inspectTarget(
  { source, target, emit }: Pick<MirrorContext, "source" | "target" | "emit">,
  sourceName: string,
  targetName: string,
  signal: AbortSignal,
): Promise<void> {
  const [from, to] = await Promise.all([
    describeTopicConfig(source, sourceName, signal),
    describeTopicConfig(target, targetName, signal),
  ]);
  const concerns = concernsOf(settingsOf(from), settingsOf(to));
  for (const concern of concerns) emit(mirrorEvents.targetSettings(targetName, concern));
  const refused = concerns.find(({ isRefused }) => isRefused);
  if (refused) throw new TargetUnfitError(targetName, refused);
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
