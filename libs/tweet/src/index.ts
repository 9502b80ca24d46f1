export {
  columns,
  hiveColumns,
  redshiftColumnNames,
  redshiftColumns,
  type Column,
} from "./columns.ts";
export { indexOfGenerated, postAt, seedMax, type GeneratedPost } from "./generator.ts";
export type { PostFields, PostSchema } from "./post.ts";
export { otherNames, type OtherName, type Reading, type UnreadableCode } from "./reading.ts";
export { readPosts } from "./read-posts.ts";
export { scanPost } from "./scan-post.ts";
export { quotableTexts, ScannedPost, scannedCounts, scannedTexts } from "./scanned-post.ts";
export {
  eventTimeOf,
  headerNames,
  headersText,
  partitionOf,
  recordTime,
  rowOf,
  type Coordinates,
  type NotARow,
  type RowResult,
  type TweetRecord,
  type TweetRow,
} from "./row.ts";
