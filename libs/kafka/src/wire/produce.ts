import type { Api } from "./connection.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

export const produceApi: Api = { name: "Produce", key: 0, version: 9 };

/** One batch of one partition: more than one per partition in a request is refused. */
export interface ProducePartition {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
}

export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly error: number;
  readonly baseOffset: bigint;
  readonly message: string | null;
  /** Which records of the batch are refused, and why; none when the broker does not say. */
  readonly recordErrors: readonly RecordError[];
}

/** A record of a batch by its place, and what is wrong with it. */
export interface RecordError {
  readonly index: number;
  readonly message: string | null;
}

const NO_RECORDS: readonly RecordError[] = [];

/** Produce v9, acks=all. The batches are sent as they are, without a copy. */
export function writeProduce(
  batches: readonly ProducePartition[],
  timeoutMs: number,
  transactionalId: string | null = null,
): ProtocolWriter {
  const writer = new ProtocolWriter(256).compactString(transactionalId).i16(-1).i32(timeoutMs);
  const topics = [...Map.groupBy(batches, (entry) => entry.topic)];
  writer.array(topics, (topic, [name, entries]) => {
    topic.compactString(name).array(entries, (item, { partition, batch }) => {
      item.i32(partition).compactBytes(batch).noTags();
    });
    topic.noTags();
  });
  return writer.noTags();
}

export function readProduce(reader: ProtocolReader): ProducedPartition[] {
  const answers: ProducedPartition[] = [];
  reader.array((item) => {
    const topic = item.compactString();
    item.array((entry) => answers.push(readPartition(entry, topic)));
    item.tags();
  });
  return answers;
}

/** What follows the answers: so long the broker takes nothing more of this client (KIP-219). */
export function readProduceThrottle(reader: ProtocolReader): number {
  return reader.i32();
}

function readPartition(reader: ProtocolReader, topic: string): ProducedPartition {
  const partition = reader.i32();
  const error = reader.i16();
  const baseOffset = reader.i64();
  reader.i64(); // append time
  reader.i64(); // log start
  const records = reader.array((item) => {
    const index = item.i32();
    const message = item.compactNullableString();
    item.tags();
    return { index, message };
  });
  const message = reader.compactNullableString();
  reader.tags();
  const told = records
    .slice(0, 3)
    .map((each) => `record ${each.index}: ${each.message ?? "refused"}`);
  const detail = [message, ...told].filter((part) => part !== null).join("; ");
  const recordErrors = records.length === 0 ? NO_RECORDS : records;
  return {
    topic,
    partition,
    error,
    baseOffset,
    message: detail === "" ? null : detail,
    recordErrors,
  };
}
