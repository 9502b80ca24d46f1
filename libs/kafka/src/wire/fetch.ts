import type { AbortedTransaction } from "./committed.ts";
import type { Api } from "./connection.ts";
import { Frame } from "./frame-pool.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

export const fetchApi: Api = { name: "Fetch", key: 1, version: 13 };

export interface FetchPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: bigint;
  /** The leader epoch of the batch before `offset`, so that the broker can tell a diverged log. */
  readonly lastEpoch: number;
  readonly bytesMax: number;
}

export interface FetchRequest {
  readonly waitMs: number;
  readonly bytesMin: number;
  readonly bytesMax: number;
  readonly committedOnly: boolean;
  /** KIP-227; id 0 and epoch 0 ask for a session, epoch -1 wants none. */
  readonly sessionId: number;
  readonly sessionEpoch: number;
  /** All partitions, or what changed in the session. */
  readonly partitions: readonly FetchPartition[];
  readonly forgotten: readonly Pick<FetchPartition, "topicId" | "partition">[];
  /** Where the reader runs (KIP-392); the leader may name a replica there instead of records. */
  readonly rack?: string | undefined;
}

export interface FetchedPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly error: number;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  readonly logStartOffset: bigint;
  readonly aborted: readonly AbortedTransaction[];
  /** Present when the log was cut back below the offset asked for (KIP-595). */
  readonly diverging: { readonly epoch: number; readonly endOffset: bigint } | undefined;
  /** The broker to read from instead; -1 for this one. */
  readonly preferredReplica: number;
  readonly records: Buffer | null;
}

export interface FetchResponse {
  readonly error: number;
  /** So long the broker answers nothing more of this client (KIP-219). */
  readonly throttleMs: number;
  readonly sessionId: number;
  readonly partitions: readonly FetchedPartition[];
  /** What `records` are views of. */
  readonly frame: Frame;
}

/** Fetch v13: by topic id (KIP-516). */
export function writeFetch(request: FetchRequest): ProtocolWriter {
  const writer = new ProtocolWriter(128 + request.partitions.length * 40)
    .i32(-1)
    .i32(request.waitMs)
    .i32(request.bytesMin)
    .i32(request.bytesMax)
    .i8(request.committedOnly ? 1 : 0)
    .i32(request.sessionId)
    .i32(request.sessionEpoch);
  writer.array([...byTopic(request.partitions)], (topic, [id, partitions]) => {
    topic.uuid(id).array(partitions, writePartition).noTags();
  });
  writer.array([...byTopic(request.forgotten)], (topic, [id, partitions]) => {
    topic.uuid(id).array(partitions, (item, { partition }) => item.i32(partition));
    topic.noTags();
  });
  return writer.compactString(request.rack ?? "").noTags();
}

function writePartition(writer: ProtocolWriter, entry: FetchPartition): void {
  writer.i32(entry.partition).i32(-1).i64(entry.offset).i32(entry.lastEpoch);
  writer.i64(-1n).i32(entry.bytesMax).noTags();
}

function byTopic<T extends { readonly topicId: string }>(entries: readonly T[]): Map<string, T[]> {
  return Map.groupBy(entries, (entry) => entry.topicId);
}

export function readFetch(reader: ProtocolReader): FetchResponse {
  const frame = new Frame(reader.buffer);
  const throttleMs = reader.i32();
  const error = reader.i16();
  const sessionId = reader.i32();
  const partitions: FetchedPartition[] = [];
  reader.array((topic) => {
    const topicId = topic.uuid();
    topic.array((item) => partitions.push(readPartition(item, topicId)));
    topic.tags();
  });
  return { error, throttleMs, sessionId, partitions, frame };
}

function readPartition(reader: ProtocolReader, topicId: string): FetchedPartition {
  const partition = reader.i32();
  const error = reader.i16();
  const highWatermark = reader.i64();
  const lastStableOffset = reader.i64();
  const logStartOffset = reader.i64();
  const aborted = reader.array((item) => {
    const entry = { producerId: item.i64(), firstOffset: item.i64() };
    item.tags();
    return entry;
  });
  const preferredReplica = reader.i32();
  const records = reader.compactBytes();
  let diverging: FetchedPartition["diverging"];
  reader.tags((tag, field) => {
    if (tag === 0) diverging = { epoch: field.i32(), endOffset: field.i64() };
  });
  return {
    topicId,
    partition,
    error,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted,
    diverging,
    preferredReplica,
    records,
  };
}
