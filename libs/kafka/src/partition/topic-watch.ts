import { isAbort, systemClock } from "@hybridge/core";
import type { ClusterOptions } from "../api.ts";
import { Cluster, withCluster } from "../cluster.ts";
import type { TopicPartition } from "../group/api.ts";
import { BrokerError } from "../errors.ts";
import { fetchPartition } from "../sequential.ts";
import { batchesOf } from "../wire/batch.ts";
import type { TopicMetadata } from "../wire/metadata.ts";
import { brokerError, errorCode } from "../wire/protocol-errors.ts";
import type { LogFingerprint, TopicChange, TopicIdentity, TopicWatchOptions } from "./api.ts";

const INTERVAL_MS = 2_000;
const NO_ID = "0".repeat(32);

/** What a topic is; undefined when there is none of the name. */
export async function describeTopic(
  options: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<TopicIdentity | undefined> {
  return await withCluster(options, signal, async (cluster) => {
    const [found] = (await cluster.describe([topic], signal)).topics;
    return found && identityOf(found);
  });
}

/** @throws NotAuthorizedError, BrokerError for what says nothing about whether it exists */
function identityOf({ error, name, id, partitions }: TopicMetadata): TopicIdentity | undefined {
  if (error === errorCode.unknownTopicOrPartition) return undefined;
  if (error !== errorCode.none) {
    throw brokerError(`look up topic ${name}`, error, null, { operation: "Read", name });
  }
  return { topic: name, topicId: id === NO_ID ? undefined : id, partitions: partitions.length };
}

/**
 * Tells what becomes of topics, until the signal is aborted: found, grown, recreated, deleted. What
 * goes wrong with a broker or a right is told as an event, and looked at again.
 */
export async function watchTopics(options: TopicWatchOptions): Promise<void> {
  await using cluster = new Cluster(options.cluster);
  const { clock = systemClock, intervalMs = INTERVAL_MS, signal, topics, emit } = options;
  const seen = new Map(topics.map((topic) => [topic, new SeenTopic()]));
  let isTold = false;
  while (!signal.aborted) {
    try {
      const metadata = await cluster.describe(topics, signal);
      for (const topic of metadata.topics) {
        const change = seen.get(topic.name)?.look(identityOf(topic));
        if (change) options.onChange(change);
      }
      isTold = false;
    } catch (error) {
      if (isAbort(error, signal)) return;
      const message = `whether ${topics.join(", ")} changed is not known; it is looked at again`;
      emit({ name: "kafka.topics.unknown", level: isTold ? "debug" : "warn", message, error });
      isTold = true;
    }
    await clock.sleep(intervalMs, signal).catch(() => undefined);
  }
}

/** What was seen of a topic, to tell what changed. */
export class SeenTopic {
  #last: TopicIdentity | undefined;
  /** Looks in a row at which it was not there. */
  #missing = 0;

  look(now: TopicIdentity | undefined): TopicChange | undefined {
    const last = this.#last;
    if (!now) {
      this.#missing += 1;
      // One broker may not know of it yet, or for a moment: two looks say that it is deleted.
      return last && this.#missing === 2 ? { kind: "deleted", topic: last } : undefined;
    }
    const wasTold = this.#missing >= 2;
    this.#missing = 0;
    this.#last = now;
    if (!last) return { kind: "found", topic: now };
    // Partitions cannot be taken away: fewer of them is another topic, also without ids.
    if (now.topicId !== last.topicId || now.partitions < last.partitions) {
      return { kind: "recreated", topic: now, formerId: last.topicId };
    }
    if (wasTold) return { kind: "found", topic: now };
    if (now.partitions === last.partitions) return undefined;
    return { kind: "grown", topic: now, from: last.partitions };
  }
}

/**
 * The batch that holds an offset, by its base offset and checksum: to be remembered with a position
 * and compared later, where topics have no ids. Another one means that the log is another one.
 *
 * @returns undefined when the log has no batch there any more, or not yet
 */
export async function readFingerprint(
  options: ClusterOptions,
  at: TopicPartition & { readonly offset: bigint },
  signal: AbortSignal,
): Promise<LogFingerprint | undefined> {
  return await withCluster(options, signal, async (cluster) => {
    const answer = await fetchPartition(cluster, { ...at, committedOnly: false }, signal, {
      bytesMax: 1,
    }).catch((error: unknown) => {
      if (isOutOfRange(error)) return undefined;
      throw error;
    });
    const [batch] = batchesOf(answer?.records ?? null, at.offset);
    if (!batch || batch.baseOffset > at.offset) return undefined;
    return { baseOffset: batch.baseOffset, crc: batch.crc };
  });
}

function isOutOfRange(error: unknown): boolean {
  return error instanceof BrokerError && error.kafkaCode === errorCode.offsetOutOfRange;
}
