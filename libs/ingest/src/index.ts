export { openDeadLetters, type DeadLetters } from "./dead-letters.ts";
export { deadLettersWritten, fileBroken } from "./events.ts";
export { openReplay } from "./feeds/files/replay-source.ts";
export { partitionOfKey } from "./publisher/partition-of-key.ts";
export { runIngest } from "./run.ts";
export type { PostSource } from "./source.ts";
export { openStatusBoard, type StatusBoard } from "./status.ts";
export { Tally } from "./tally.ts";
export type * from "./feeds/feed.ts";
