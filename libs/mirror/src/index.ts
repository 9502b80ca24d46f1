export type { Selection } from "./control.ts";
export { Mirror, type MirrorOptions } from "./mirror.ts";
export type { PartitionMirror } from "./partition.ts";
export { namedTopics, topicPattern } from "./topics/topic-pattern.ts";
