import type { ClusterOptions } from "./api.ts";
import { withCluster, type Cluster } from "./cluster.ts";
import { rangeOf } from "./offsets.ts";
import { brokerError, errorCode, isTopicRefused } from "./wire/protocol-errors.ts";
import {
  createPartitionsApi,
  createTopicsApi,
  describeConfigsApi,
  readCreatePartitions,
  readCreateTopics,
  readDescribeConfigs,
  writeCreatePartitions,
  writeCreateTopics,
  writeDescribeConfigs,
  type ConfigEntry,
  type NewTopic,
} from "./wire/topics.ts";
import { offsetCommitApi, readOffsetCommit, writeOffsetCommit } from "./wire/offset-commit.ts";

const ADMIN_TIMEOUT_MS = 15_000;

/**
 * Makes a topic, or raises its partitions, unless it is so already. Settings of a topic that
 * exists are left alone.
 */
export async function ensureTopic(
  options: ClusterOptions,
  wanted: NewTopic,
  signal: AbortSignal,
): Promise<void> {
  await withCluster(options, signal, (cluster) => makeTopic(cluster, wanted, signal));
}

/** Makes a topic unless it exists; one that does is left as it is, whatever its partitions. */
export async function createTopicIfMissing(
  options: ClusterOptions,
  wanted: NewTopic,
  signal: AbortSignal,
): Promise<void> {
  await withCluster(options, signal, async (cluster) => {
    const existing = (await cluster.describe([wanted.topic], signal)).topics[0];
    if (existing?.error === errorCode.none) return;
    if (existing && isTopicRefused(existing.error)) {
      throw refusedLookUp(wanted.topic, existing.error);
    }
    const created = await createTopic(cluster, wanted, signal);
    await untilLed(cluster, created ? wanted : { ...wanted, partitions: 1 }, signal);
  });
}

/** @returns false when somebody else was first, perhaps with other partitions */
async function createTopic(
  cluster: Cluster,
  wanted: NewTopic,
  signal: AbortSignal,
): Promise<boolean> {
  const connection = await cluster.any(signal);
  const body = writeCreateTopics(wanted, ADMIN_TIMEOUT_MS);
  const answer = readCreateTopics(await connection.request(createTopicsApi, body, { signal }));
  if (answer.error === errorCode.topicAlreadyExists) return false;
  if (answer.error === 0) return true;
  const need = { operation: "Create", name: wanted.topic } as const;
  throw brokerError(`create topic ${wanted.topic}`, answer.error, answer.message, need);
}

/** Who makes a topic is about to write to it, and Write implies Describe. */
function refusedLookUp(topic: string, error: number): Error {
  const need = { operation: "Write", name: topic } as const;
  return brokerError(`look up topic ${topic}`, error, null, need);
}

export async function makeTopic(
  cluster: Cluster,
  wanted: NewTopic,
  signal: AbortSignal,
): Promise<void> {
  const { topic: name, partitions } = wanted;
  const existing = (await cluster.describe([name], signal)).topics[0];
  if (existing && isTopicRefused(existing.error)) throw refusedLookUp(name, existing.error);
  if (existing?.error === errorCode.none) {
    if (existing.partitions.length >= partitions) return;
    const connection = await cluster.any(signal);
    const body = writeCreatePartitions(name, partitions, ADMIN_TIMEOUT_MS);
    const answer = readCreatePartitions(
      await connection.request(createPartitionsApi, body, { signal }),
    );
    if (answer.error !== 0 && answer.error !== errorCode.invalidPartitions) {
      const need = { operation: "Alter", name } as const;
      throw brokerError(
        `give ${name} ${partitions} partitions`,
        answer.error,
        answer.message,
        need,
      );
    }
  } else {
    await createTopic(cluster, wanted, signal);
  }
  await untilLed(cluster, wanted, signal);
}

/** CreateTopics answers before every broker knows of the topic. */
async function untilLed(cluster: Cluster, wanted: NewTopic, signal: AbortSignal): Promise<void> {
  for (let count = 0; count < 100; count++) {
    const topic = (await cluster.describe([wanted.topic], signal)).topics[0];
    const led = topic?.partitions.filter((entry) => entry.leader >= 0).length ?? 0;
    if (led >= wanted.partitions) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
    signal.throwIfAborted();
  }
  throw brokerError(`wait for leaders of ${wanted.topic}`, 5);
}

/** How many partitions a topic has; undefined when there is no such topic. */
export async function partitionCount(
  options: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  return await withCluster(options, signal, async (cluster) => {
    const found = (await cluster.describe([topic], signal)).topics[0];
    if (!found || found.error === errorCode.unknownTopicOrPartition) return undefined;
    if (found.error !== 0) {
      const need = { operation: "Read", name: topic } as const;
      throw brokerError(`look up topic ${topic}`, found.error, null, need);
    }
    return found.partitions.length;
  });
}

/** By partition: the first offset, and the last stable offset (exclusive end of what is committed). */
export async function readOffsets(
  options: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, { readonly start: bigint; readonly end: bigint }>> {
  return await withCluster(options, signal, (cluster) => offsetsOf(cluster, topic, signal));
}

async function offsetsOf(cluster: Cluster, topic: string, signal: AbortSignal) {
  const { partitions } = await cluster.topic(topic, signal);
  const ranges = await Promise.all(
    partitions.map(async ({ partition }) => {
      return [partition, await rangeOf(cluster, topic, partition, signal)] as const;
    }),
  );
  return new Map(ranges);
}

/** The settings of a topic, its own and the broker's defaults. */
export async function describeTopicConfig(
  cluster: Cluster,
  topic: string,
  signal: AbortSignal,
): Promise<readonly ConfigEntry[]> {
  const connection = await cluster.any(signal);
  const answer = readDescribeConfigs(
    await connection.request(describeConfigsApi, writeDescribeConfigs(topic), { signal }),
  );
  if (answer.error !== 0) {
    const need = { operation: "DescribeConfigs", name: topic } as const;
    throw brokerError(`read the settings of ${topic}`, answer.error, answer.message, need);
  }
  return answer.entries;
}

/**
 * Tells a group's lag tools how far somebody is who keeps the truth elsewhere. The group must have
 * no members.
 */
export async function commitHint(
  options: ClusterOptions,
  group: string,
  topic: string,
  offsets: ReadonlyMap<number, bigint>,
  signal: AbortSignal = AbortSignal.timeout(10_000),
): Promise<void> {
  if (offsets.size === 0) return;
  await withCluster(options, signal, async (cluster) => {
    const connection = await cluster.coordinator("group", group, signal);
    const entries = [...offsets].map(([partition, offset]) => ({ topic, partition, offset }));
    const body = writeOffsetCommit({ group, memberId: "", epoch: -1, offsets: entries });
    const api = connection.choose(offsetCommitApi);
    const error = readOffsetCommit(await connection.request(api, body, { signal }));
    if (error === 0) return;
    const name = isTopicRefused(error) ? topic : group;
    const need = { operation: "Read", name } as const;
    throw brokerError(`commit offsets of ${topic} for group ${group}`, error, null, need);
  });
}
