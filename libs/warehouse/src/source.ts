import type { Partitions } from "@hybridge/kafka/groups";
import type { LandingSource } from "@hybridge/landing";
import { wireTopicId } from "./topic-key.ts";

/** Partitions of a Kafka topic as an engine reads them. */
export function landingSource(partitions: Partitions): LandingSource {
  return {
    add: (partition, offset, topicId) => partitions.add(partition, offset, wireTopicId(topicId)),
    remove: (partition) => partitions.remove(partition),
    [Symbol.asyncIterator]: () => partitions[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => partitions[Symbol.asyncDispose](),
  };
}
