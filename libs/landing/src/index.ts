export { landingStoreOver } from "./blob-landing-store.ts";
export type { CatalogPosition, Following, FollowingCatalog } from "./catalog-port.ts";
export { startLanding, type Landing, type LandingOptions } from "./engine.ts";
export {
  CatalogMovedError,
  CatalogRefusedError,
  FencedError,
  SegmentSchemaError,
} from "./errors.ts";
export {
  openLandingLog,
  type CommitOutcome,
  type LandingLog,
  type LandingLogOptions,
  type PreparedCommit,
} from "./log/landing-log.ts";
export { LogForeignError } from "./log/errors.ts";
export { createPace, type Pace } from "./log/pace.ts";
export { segmentFileName, TABLE_FOLDER } from "./ledger.ts";
export { segmentLimits, segmentSettings, type SegmentLimits } from "./limits.ts";
export type {
  BlobStore,
  Catalog,
  Cut,
  DeadLetter,
  EncodedFile,
  EncodedSegment,
  LandedFile,
  LandingRecord,
  LandingStore,
  LedgerEntry,
  LedgerState,
  OpenSource,
  SegmentEncoder,
  SourceBatch,
  TopicPartition,
} from "./ports.ts";
export type { LandingStatus, PartitionLandingStatus } from "./status.ts";
export type { Action, FileReference, LogFile, NumberedCommit } from "./log/protocol.ts";
export type { Draft, LocalFile, Page, TableStore } from "./store-port.ts";
