// For those who share the partitions of a topic with other processes: the warehouses.
export type * from "./group/api.ts";
export { fixedMembership } from "./group/fixed-membership.ts";
export { openMembership } from "./group/membership.ts";
