import type { TopicPartition } from "../group/api.ts";
import { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

/**
 * What members of a classic group tell each other through the coordinator, in the format of Kafka's
 * own consumers (ConsumerProtocolSubscription and ConsumerProtocolAssignment, the older encoding):
 * so that their tools show our assignments and a group can be moved to KIP-848 while it runs.
 */
export interface GroupSubscription {
  readonly topics: readonly string[];
  /** What the member has at the moment, partitions that are being revoked included. */
  readonly owned: readonly TopicPartition[];
  /** The generation of the assignment that `owned` comes from; -1 for none. */
  readonly generation: number;
  readonly rack?: string | undefined;
}

const VERSION = 3;

export function encodeSubscription(subscription: GroupSubscription): Buffer {
  const writer = new ProtocolWriter()
    .i16(VERSION)
    .plainArray(subscription.topics, (item, topic) => item.plainString(topic))
    .i32(-1); // user data
  writeTopics(writer, subscription.owned).i32(subscription.generation);
  writer.plainString(subscription.rack ?? null);
  return Buffer.concat(writer.chunks());
}

/** @throws MalformedError */
export function decodeSubscription(bytes: Buffer): GroupSubscription {
  const reader = new ProtocolReader(bytes);
  const version = reader.i16();
  const topics = reader.plainArray((item) => item.plainString() ?? "");
  reader.plainBytes();
  const owned = version >= 1 ? readTopics(reader) : [];
  const generation = version >= 2 ? reader.i32() : -1;
  const rack = version >= 3 ? (reader.plainString() ?? undefined) : undefined;
  return { topics, owned, generation, rack };
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  const writer = writeTopics(new ProtocolWriter().i16(VERSION), partitions).i32(-1);
  return Buffer.concat(writer.chunks());
}

/** @throws MalformedError */
export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  // A member that was given nothing may get no bytes at all.
  if (bytes.length === 0) return [];
  const reader = new ProtocolReader(bytes);
  reader.i16(); // version
  return readTopics(reader);
}

function writeTopics(writer: ProtocolWriter, entries: readonly TopicPartition[]): ProtocolWriter {
  const topics = [...Map.groupBy(entries, ({ topic }) => topic)];
  return writer.plainArray(topics, (item, [topic, partitions]) => {
    item.plainString(topic).plainArray(partitions, (entry, { partition }) => entry.i32(partition));
  });
}

function readTopics(reader: ProtocolReader): TopicPartition[] {
  return reader
    .plainArray((item) => {
      const topic = item.plainString() ?? "";
      return item.plainArray((entry) => ({ topic, partition: entry.i32() }));
    })
    .flat();
}
