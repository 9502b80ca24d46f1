import type { TopicKey } from "@hybridge/landing";

/**
 * A topic as the log names it: Kafka's tools print ids in URL-safe base 64; brokers before 2.8 have
 * none.
 */
export function topicKey(cluster: string, topic: string, topicId: string | undefined): TopicKey {
  const id = topicId === undefined ? `topic:${topic}` : hexToBase64(topicId);
  return { cluster, topic, topicId: id };
}

/** The id as the wire client knows it; undefined for a topic without one. */
export function wireTopicId(topicId: string | undefined): string | undefined {
  if (topicId === undefined || topicId.startsWith("topic:")) return undefined;
  return Buffer.from(topicId, "base64url").toString("hex");
}

function hexToBase64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64url");
}
