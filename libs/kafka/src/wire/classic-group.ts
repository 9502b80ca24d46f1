import type { ApiVersions } from "./connection.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

/** The classic group protocol, in the flexible versions that brokers have since Kafka 2.4. */
export const joinGroupApi: ApiVersions = { name: "JoinGroup", key: 11, min: 6, max: 9 };
export const syncGroupApi: ApiVersions = { name: "SyncGroup", key: 14, min: 4, max: 5 };
export const heartbeatApi: ApiVersions = { name: "Heartbeat", key: 12, min: 4, max: 4 };
export const leaveGroupApi: ApiVersions = { name: "LeaveGroup", key: 13, min: 4, max: 5 };

/** The only protocol type: what makes kafka-consumer-groups.sh look into the metadata. */
const CONSUMER = "consumer";

export interface JoinRequest {
  readonly group: string;
  readonly memberId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** The name of the assignor. */
  readonly protocol: string;
  /** A subscription, see subscription.ts. */
  readonly metadata: Buffer;
  readonly reason: string;
}

export interface JoinAnswer {
  readonly error: number;
  readonly generation: number;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** For the leader alone. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

export function writeJoinGroup(request: JoinRequest, version: number): ProtocolWriter {
  const writer = new ProtocolWriter()
    .compactString(request.group)
    .i32(request.sessionTimeoutMs)
    .i32(request.rebalanceTimeoutMs)
    .compactString(request.memberId)
    .compactString(null)
    .compactString(CONSUMER)
    .array([request], (item, { protocol, metadata }) => {
      item.compactString(protocol).compactBytes(metadata).noTags();
    });
  if (version >= 8) writer.compactString(request.reason);
  return writer.noTags();
}

export function readJoinGroup(reader: ProtocolReader, version: number): JoinAnswer {
  reader.i32(); // throttle
  const error = reader.i16();
  const generation = reader.i32();
  if (version >= 7) reader.compactNullableString(); // protocol type
  reader.compactNullableString(); // protocol name
  const leader = reader.compactString();
  const skipAssignment = version >= 9 && reader.bool();
  const memberId = reader.compactString();
  const members = reader.array((item) => {
    const member = item.compactString();
    item.compactNullableString(); // instance id
    const metadata = item.compactBytes() ?? Buffer.alloc(0);
    item.tags();
    return { memberId: member, metadata };
  });
  return { error, generation, leader, skipAssignment, memberId, members };
}

export interface SyncRequest {
  readonly group: string;
  readonly memberId: string;
  readonly generation: number;
  readonly protocol: string;
  /** Of the leader: what each member gets, see subscription.ts. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
}

export interface SyncAnswer {
  readonly error: number;
  readonly assignment: Buffer;
}

export function writeSyncGroup(request: SyncRequest, version: number): ProtocolWriter {
  const writer = new ProtocolWriter()
    .compactString(request.group)
    .i32(request.generation)
    .compactString(request.memberId)
    .compactString(null);
  if (version >= 5) writer.compactString(CONSUMER).compactString(request.protocol);
  return writer
    .array(request.assignments, (item, { memberId, assignment }) => {
      item.compactString(memberId).compactBytes(assignment).noTags();
    })
    .noTags();
}

export function readSyncGroup(reader: ProtocolReader, version: number): SyncAnswer {
  reader.i32(); // throttle
  const error = reader.i16();
  if (version >= 5) {
    reader.compactNullableString();
    reader.compactNullableString();
  }
  return { error, assignment: reader.compactBytes() ?? Buffer.alloc(0) };
}

export interface MemberIdentity {
  readonly group: string;
  readonly memberId: string;
  readonly generation: number;
}

export function writeHeartbeat({ group, generation, memberId }: MemberIdentity): ProtocolWriter {
  return new ProtocolWriter()
    .compactString(group)
    .i32(generation)
    .compactString(memberId)
    .compactString(null)
    .noTags();
}

export function readHeartbeat(reader: ProtocolReader): number {
  reader.i32(); // throttle
  return reader.i16();
}

export function writeLeaveGroup(
  { group, memberId }: MemberIdentity,
  version: number,
): ProtocolWriter {
  return new ProtocolWriter()
    .compactString(group)
    .array([memberId], (item, id) => {
      item.compactString(id).compactString(null);
      if (version >= 5) item.compactString("the member was closed");
      item.noTags();
    })
    .noTags();
}

/** The first error, of the request or of the member. */
export function readLeaveGroup(reader: ProtocolReader): number {
  reader.i32(); // throttle
  let error = reader.i16();
  reader.array((item) => {
    item.compactString();
    item.compactNullableString();
    error ||= item.i16();
    item.tags();
  });
  return error;
}
