import type { ApiVersions } from "./connection.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

/** KIP-848. Since version 1 (KIP-1082) a member chooses its id itself. */
export const consumerHeartbeatApi: ApiVersions = {
  name: "ConsumerGroupHeartbeat",
  key: 68,
  min: 0,
  max: 1,
};

/** Partitions of one topic, which goes by its id here: 32 hex digits. */
export interface TopicIdPartitions {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

/** What is undefined has not changed since the last heartbeat. */
export interface ConsumerHeartbeat {
  readonly group: string;
  readonly memberId: string;
  /** 0 to join, -1 to leave. */
  readonly memberEpoch: number;
  readonly rack?: string | undefined;
  readonly rebalanceTimeoutMs?: number | undefined;
  readonly topics?: readonly string[] | undefined;
  readonly assignor?: string | undefined;
  /** What the member has, partitions that are being revoked included. */
  readonly owned?: readonly TopicIdPartitions[] | undefined;
}

export interface ConsumerHeartbeatAnswer {
  readonly error: number;
  readonly message: string | null;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** What the member is to have, when that is news. */
  readonly assignment: readonly TopicIdPartitions[] | undefined;
}

export function writeConsumerHeartbeat(
  request: ConsumerHeartbeat,
  version: number,
): ProtocolWriter {
  const writer = new ProtocolWriter()
    .compactString(request.group)
    .compactString(request.memberId)
    .i32(request.memberEpoch)
    .compactString(null) // instance id
    .compactString(request.rack ?? null)
    .i32(request.rebalanceTimeoutMs ?? -1);
  if (request.topics) writer.array(request.topics, (item, name) => item.compactString(name));
  else writer.nullArray();
  if (version >= 1) writer.compactString(null); // regular expression
  writer.compactString(request.assignor ?? null);
  if (!request.owned) return writer.nullArray().noTags();
  return writer
    .array(request.owned, (item, { topicId, partitions }) => {
      item.uuid(topicId).array(partitions, (entry, partition) => entry.i32(partition));
      item.noTags();
    })
    .noTags();
}

export function readConsumerHeartbeat(reader: ProtocolReader): ConsumerHeartbeatAnswer {
  reader.i32(); // throttle
  return {
    error: reader.i16(),
    message: reader.compactNullableString(),
    memberId: reader.compactNullableString(),
    memberEpoch: reader.i32(),
    heartbeatIntervalMs: reader.i32(),
    // A struct that may be null begins with a byte below 0 when it is (KIP-893).
    assignment: reader.i8() < 0 ? undefined : readAssignment(reader),
  };
}

function readAssignment(reader: ProtocolReader): TopicIdPartitions[] {
  const topics = reader.array(readTopicIdPartitions);
  reader.tags();
  return topics;
}

function readTopicIdPartitions(reader: ProtocolReader): TopicIdPartitions {
  const topicId = reader.uuid();
  const partitions = reader.array((item) => item.i32());
  reader.tags();
  return { topicId, partitions };
}
