import { describeError, retry, type Emit } from "@hybridge/core";
import { partitionCount, type ClusterOptions } from "@hybridge/kafka";
import { TopicMissingError } from "./errors.ts";

/**
 * The partitions of a topic, waiting for the brokers and for the topic as long as it takes.
 *
 * @param onWait told what is waited for
 */
export async function waitForTopic(
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
  emit: Emit,
  onWait: (reason: string) => void,
): Promise<readonly number[]> {
  let waitedFor = "";
  const look = async () => {
    const count = await partitionCount(cluster, topic, signal);
    if (count !== undefined) return count;
    throw new TopicMissingError(
      `topic ${topic} is not in the cluster at ${cluster.bootstrap}: ingest or the mirror makes it. ` +
        "Is HYBRIDGE_TOPIC right?",
    );
  };
  const count = await retry(look, {
    signal,
    baseMs: 200,
    maxMs: 2_000,
    onRetry(error) {
      const reason = describeError(error);
      onWait(reason);
      if (reason === waitedFor) return;
      waitedFor = reason;
      emit({ name: "warehouse.waiting", level: "warn", message: reason, error });
    },
  });
  return Array.from({ length: count }, (_, partition) => partition);
}
