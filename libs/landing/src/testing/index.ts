export { tableStoreConformance, type TableStoreUnderTest } from "./conformance/store.ts";
export { landingStoreConformance, type StoreUnderTest } from "./conformance.ts";
export { landingLogConformance, type LogStoreUnderTest } from "./conformance/log-conformance.ts";
export { faultyLandingStore, type FaultyLandingStore } from "./faulty-landing-store.ts";
export { memoryFollowingCatalog, type MemoryFollowingCatalog } from "./memory-following-catalog.ts";
export {
  MemoryFolderFullError,
  memoryLanding,
  ProcessDiedError,
  type CallFault,
  type MemoryLanding,
  type MemoryLandingOptions,
  type MemoryLandingStore,
} from "./memory-landing-store.ts";
export { memoryCatalog, type MemoryCatalog } from "./memory-catalog.ts";
export { memorySource, type MemorySource } from "./memory-source.ts";
export {
  memoryBlobs,
  memoryDisk,
  memoryStore,
  type Fault,
  type MemoryDisk,
} from "./memory-store.ts";
export { encodedFile, textEncoder, textRecord } from "./text-encoder.ts";
export { MemoryGroup, type MemoryMember } from "./memory-group.ts";
export { memoryLandingSource, MemoryTopic } from "./memory-topic.ts";
export { subFolder } from "./sub-folder.ts";
export { readTextFile, textDeadLetters, textFlushEncoder } from "./text-flush.ts";
