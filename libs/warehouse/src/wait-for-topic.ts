import { describeError, retry, type Emit } from "@hybridge/core";
import type { ClusterOptions } from "@hybridge/kafka";
import { describeTopic, type TopicIdentity } from "@hybridge/kafka/groups";
import { TopicMissingError } from "./errors.ts";

/**
 * What a topic is, waiting for the brokers and for the topic as long as it takes.
 *
 * @param onWait told what is waited for
 */
export async function waitForTopic(
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
  emit: Emit,
  onWait: (reason: string) => void,
): Promise<TopicIdentity> {
  let waitedFor = "";
  const look = async () => {
    const identity = await describeTopic(cluster, topic, signal);
    if (identity !== undefined) return identity;
    throw new TopicMissingError(
      `topic ${topic} is not in the cluster at ${cluster.bootstrap}: ingest or the mirror makes it. ` +
        "Is HYBRIDGE_TOPIC right?",
    );
  };
  return await retry(look, {
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
}
