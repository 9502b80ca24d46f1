export {
  columns,
  duckdbColumns,
  hiveColumns,
  redshiftColumnNames,
  redshiftColumns,
  type Column,
} from "./columns.ts";
export { indexOfGenerated, postAt, seedMax, type GeneratedPost } from "./generator.ts";
export type { PostFields, PostSchema } from "./post.ts";
export { readPost, type NotAPost, type ReadPost } from "./read-post.ts";
export {
  headerNames,
  partitionOf,
  rowOf,
  type Coordinates,
  type RowResult,
  type TweetRecord,
  type TweetRow,
} from "./row.ts";
