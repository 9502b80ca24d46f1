export { aclArguments, minimalAcls, type Acl, type AclNames, type KafkaService } from "./acls.ts";
export type * from "./api.ts";
export { clusterIdOf } from "./cluster-id.ts";
export { countRecords } from "./count.ts";
export {
  BrokerError,
  FencedError,
  NotAuthorizedError,
  OffsetOutOfRangeError,
  RecordTooLargeError,
  UnknownTopicError,
} from "./errors.ts";
export { countRanges, type CountedRange, type OffsetRange } from "./count-ranges.ts";
export { describeLog, type LogRange, type TopicLog } from "./describe-log.ts";
export { grantAcls, type Grant } from "./grant-acls.ts";
export { openReader } from "./reader.ts";
export { clusterOptions, clusterSettings } from "./settings.ts";
export {
  commitHint,
  createTopicIfMissing,
  ensureTopic,
  partitionCount,
  readOffsets,
} from "./topics.ts";
export { openFencedWriter } from "./writer.ts";
