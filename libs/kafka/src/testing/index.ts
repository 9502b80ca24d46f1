export { FakeCoordinator, type FakeCoordinatorOptions } from "./fake-coordinator.ts";
export { FakeProcess } from "./fake-process.ts";
export { compareTopics, MismatchError, type Comparison } from "./oracle.ts";
export { produceBatches, TransactionalProducer } from "./producer.ts";
export { sealBatch } from "./seal.ts";
export { randomRecords, seededRandom, type Random } from "./workload.ts";
export { revokeAcl } from "./revoke-acls.ts";
