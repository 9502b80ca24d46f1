import type { Api } from "./connection.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

export const metadataApi: Api = { name: "Metadata", key: 3, version: 12 };

export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface PartitionMetadata {
  readonly error: number;
  readonly partition: number;
  /** -1: none at the moment. */
  readonly leader: number;
  readonly leaderEpoch: number;
}

export interface TopicMetadata {
  readonly error: number;
  readonly name: string;
  /** 32 hex digits. */
  readonly id: string;
  readonly isInternal: boolean;
  /** Sorted by number. */
  readonly partitions: readonly PartitionMetadata[];
}

export interface Metadata {
  readonly clusterId: string;
  readonly brokers: readonly BrokerAddress[];
  readonly topics: readonly TopicMetadata[];
}

const NO_ID = "0".repeat(32);

/** Metadata v12 (KIP-516); undefined asks for all topics. Never creates a topic. */
export function writeMetadata(topics: readonly string[] | undefined): ProtocolWriter {
  const writer = new ProtocolWriter();
  if (topics === undefined) writer.nullArray();
  else writer.array(topics, (item, name) => item.uuid(NO_ID).compactString(name).noTags());
  return writer.bool(false).bool(false).noTags();
}

export function readMetadata(reader: ProtocolReader): Metadata {
  reader.i32(); // throttle
  const brokers = reader.array((item) => {
    const broker = { nodeId: item.i32(), host: item.compactString(), port: item.i32() };
    item.compactNullableString(); // rack
    item.tags();
    return broker;
  });
  const clusterId = reader.compactString();
  reader.i32(); // controller
  return { clusterId, brokers, topics: reader.array(readTopic) };
}

function readTopic(reader: ProtocolReader): TopicMetadata {
  const error = reader.i16();
  const name = reader.compactString();
  const id = reader.uuid();
  const isInternal = reader.bool();
  const partitions = reader.array(readPartition);
  reader.i32(); // authorized operations
  reader.tags();
  partitions.sort((a, b) => a.partition - b.partition);
  return { error, name, id, isInternal, partitions };
}

function readPartition(reader: ProtocolReader): PartitionMetadata {
  const entry = {
    error: reader.i16(),
    partition: reader.i32(),
    leader: reader.i32(),
    leaderEpoch: reader.i32(),
  };
  for (let list = 0; list < 3; list++) reader.array((item) => item.i32()); // replicas
  reader.tags();
  return entry;
}
