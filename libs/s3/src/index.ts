export { ensureBucket } from "./ensure-bucket.ts";
export { S3AccessError, S3BucketError, S3RequestError, S3UnavailableError } from "./errors.ts";
export { openS3, type S3, type S3Options } from "./open-s3.ts";
export { s3TableStore } from "./table-store.ts";
export type { S3Folder } from "./s3-folder.ts";
export { s3Folder, s3Options, s3Settings, type S3Config } from "./settings.ts";
