import { brokerError, type Need } from "./protocol-errors.ts";
import type { Api } from "./connection.ts";
import { readFirstPartitionError } from "./partition-errors.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

export const initProducerIdApi: Api = { name: "InitProducerId", key: 22, version: 4 };
export const addPartitionsToTxnApi: Api = { name: "AddPartitionsToTxn", key: 24, version: 3 };
export const endTxnApi: Api = { name: "EndTxn", key: 26, version: 3 };

/** What a batch is stamped with: one producer, one owner. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

export const nobody: ProducerIdentity = { producerId: -1n, producerEpoch: -1 };

/**
 * InitProducerId v4. Without `current` the epoch is raised whoever had it; with it, only if it is
 * still the newest (KIP-360), so that an owner that was replaced cannot come back by recovering.
 */
export function writeInitProducerId(
  transactionalId: string,
  timeoutMs: number,
  current: ProducerIdentity = nobody,
): ProtocolWriter {
  return new ProtocolWriter()
    .compactString(transactionalId)
    .i32(timeoutMs)
    .i64(current.producerId)
    .i16(current.producerEpoch)
    .noTags();
}

export function readInitProducerId(reader: ProtocolReader): ProducerIdentity & { error: number } {
  reader.i32(); // throttle
  return { error: reader.i16(), producerId: reader.i64(), producerEpoch: reader.i16() };
}

export function writeAddPartitionsToTxn(
  transactionalId: string,
  producer: ProducerIdentity,
  topic: string,
  partitions: readonly number[],
): ProtocolWriter {
  return new ProtocolWriter()
    .compactString(transactionalId)
    .i64(producer.producerId)
    .i16(producer.producerEpoch)
    .array([topic], (item, name) => {
      item.compactString(name).array(partitions, (entry, partition) => entry.i32(partition));
      item.noTags();
    })
    .noTags();
}

/** 0 when all were added. */
export const readAddPartitionsToTxn = readFirstPartitionError;

export function writeEndTxn(
  transactionalId: string,
  producer: ProducerIdentity,
  commit: boolean,
): ProtocolWriter {
  return new ProtocolWriter()
    .compactString(transactionalId)
    .i64(producer.producerId)
    .i16(producer.producerEpoch)
    .bool(commit)
    .noTags();
}

export function readEndTxn(reader: ProtocolReader): number {
  reader.i32(); // throttle
  return reader.i16();
}

export const findCoordinatorApi: Api = { name: "FindCoordinator", key: 10, version: 4 };

export type CoordinatorKind = "group" | "transaction";

export function writeFindCoordinator(kind: CoordinatorKind, key: string): ProtocolWriter {
  return new ProtocolWriter()
    .i8(kind === "group" ? 0 : 1)
    .array([key], (item, name) => item.compactString(name))
    .noTags();
}

export function readFindCoordinator(reader: ProtocolReader, attempt: string, need: Need) {
  reader.i32(); // throttle
  const [found] = reader.array((item) => {
    item.compactString();
    const nodeId = item.i32();
    const address = { nodeId, host: item.compactString(), port: item.i32() };
    const error = item.i16();
    const message = item.compactNullableString();
    item.tags();
    return { address, error, message };
  });
  if (!found || found.error !== 0) {
    throw brokerError(attempt, found?.error ?? -1, found?.message, need);
  }
  return found.address;
}
