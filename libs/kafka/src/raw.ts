// For those who move batches from log to log without decoding them: the mirror.
export { Cluster, withCluster } from "./cluster.ts";
export {
  AuthenticationError,
  CorruptBatchError,
  ForeignWriterError,
  LogDivergedError,
  MalformedError,
  retryUntold,
  TopicRecreatedError,
  UnsupportedBrokerError,
} from "./errors.ts";
export { Fencer, isForgottenOwner, type Fence } from "./fence.ts";
export { Fetcher, type Fetched, type Subscription } from "./fetcher.ts";
export { endsOf, offsetAt, rangeOf } from "./offsets.ts";
export { POSITIONS_TOPIC } from "./positions-topic.ts";
export { readBatches } from "./sequential.ts";
export { describeTopicConfig, makeTopic } from "./topics.ts";
export { advanceSequence, Batch, buildBatch, HEADER_BYTES, stampBatch } from "./wire/batch.ts";
export { makeCommittedFilter } from "./wire/committed.ts";
export { compress, decompress } from "./wire/compression.ts";
export { Frame, FramePool } from "./wire/frame-pool.ts";
export type { Connection } from "./wire/connection.ts";
export type { TopicMetadata } from "./wire/metadata.ts";
export {
  produceApi,
  readProduce,
  readProduceThrottle,
  writeProduce,
  type ProducedPartition,
} from "./wire/produce.ts";
export { brokerError, errorCode } from "./wire/protocol-errors.ts";
export { isSameRecord, joinRecords, scanRecords, type RawRecord } from "./wire/raw-record.ts";
export { decodeRecords, encodeRecords } from "./wire/record.ts";
export type { ConfigEntry } from "./wire/topics.ts";
