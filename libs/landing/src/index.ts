export type { CatalogPosition, Following, FollowingCatalog } from "./catalog-port.ts";
export type {
  ColumnList,
  Encoded,
  EncodedAdvance,
  EncodedPartition,
  EncodedRange,
  EncodeRequest,
  FlushBuffer,
  FlushDeadLetter,
  FlushEncoder,
  FlushFile,
  FlushRecord,
} from "./encoder-port.ts";
export { CatalogMovedError, CatalogRefusedError } from "./errors.ts";
export { LandingEngine } from "./engine/engine.ts";
export { adviceOn } from "./engine/health.ts";
export type { EngineOptions } from "./engine/options.ts";
export type { FlushObserver } from "./flush/flusher.ts";
export { quarantineLate, takeOverLedgers, type TakeOverOptions } from "./former/take-over.ts";
export {
  openLandingLog,
  type CommitOutcome,
  type LandingLog,
  type LandingLogOptions,
  type PreparedCommit,
} from "./log/landing-log.ts";
export { storedCatalogPosition, type StoredCatalogPosition } from "./log/catalog-position.ts";
export { LogForeignError } from "./log/errors.ts";
export { createFollower, type Follower, type FollowerStatus } from "./log/follower.ts";
export { createPace, type Pace } from "./log/pace.ts";
export type { TopicKey } from "./log/protocol.ts";
export { sweepStaging } from "./log/sweep.ts";
export { visibleEnds } from "./publish/visible-ends.ts";
export type { LandingSource } from "./source-port.ts";
export type { Action, FileReference, LogFile, NumberedCommit } from "./log/protocol.ts";
export type { Draft, LocalFile, Page, TableStore } from "./store-port.ts";
export { TABLE_NAME } from "./table.ts";
