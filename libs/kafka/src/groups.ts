// For those who share the partitions of a topic with other processes: the warehouses.
export type * from "./group/api.ts";
export { fixedMembership } from "./group/fixed-membership.ts";
export { openMembership } from "./group/membership.ts";
export type * from "./partition/api.ts";
export { openPartitions } from "./partition/partitions.ts";
export { describeTopic, readFingerprint, watchTopics } from "./partition/topic-watch.ts";
