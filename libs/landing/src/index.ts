export { landingStoreOver } from "./blob-landing-store.ts";
export { FencedError, SegmentSchemaError } from "./errors.ts";
export { segmentFileName, TABLE_FOLDER } from "./ledger.ts";
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
