export type { Selection } from "./control.ts";
export { Mirror, type MirrorOptions } from "./mirror.ts";
export type { PartitionMirror } from "./partition.ts";
export { encodePosition, type PositionEntry } from "./positions/format.ts";
export { readPositions, type MirroredPartition } from "./positions/read-positions.ts";
export { RunList } from "./positions/run-list.ts";
export { namedTopics, topicPattern } from "./topics/topic-pattern.ts";
