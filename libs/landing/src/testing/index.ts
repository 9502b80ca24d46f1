export { tableStoreConformance, type TableStoreUnderTest } from "./conformance/store.ts";
export { landingLogConformance, type LogStoreUnderTest } from "./conformance/log-conformance.ts";
export { faultyTableStore, type FaultyTableStore } from "./faulty-table-store.ts";
export { memoryFollowingCatalog, type MemoryFollowingCatalog } from "./memory-following-catalog.ts";
export {
  MemoryFolderFullError,
  memoryLanding,
  ProcessDiedError,
  type CallFault,
  type MemoryLanding,
  type MemoryLandingOptions,
  type MemoryTableStore,
} from "./memory-table-store.ts";
export { simulateLog, type SimulationOptions, type SimulationResult } from "./log-simulation.ts";
export { localFile } from "./local-file.ts";
export { MemoryGroup, type MemoryMember } from "./memory-group.ts";
export { memoryLandingSource, MemoryTopic } from "./memory-topic.ts";
export { subFolder } from "./sub-folder.ts";
export { readTextFile, textDeadLetters, textFlushEncoder } from "./text-flush.ts";
