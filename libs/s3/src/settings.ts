import { ConfigError, setting, type Config, type Settings } from "@hybridge/core";
import type { S3Options } from "./open-s3.ts";
import type { S3Folder } from "./s3-folder.ts";

/** Where the objects are and how they are encrypted: the same names in every service. */
export const s3Settings = {
  HYBRIDGE_S3_ENDPOINT: {
    schema: setting.url().optional(),
    doc: "URL of an object store other than AWS's; buckets are then addressed by path",
  },
  HYBRIDGE_S3_REGION: {
    schema: setting.text("us-east-1"),
    doc: "region of the bucket, which must be that of Redshift: COPY reads files of its own region",
  },
  HYBRIDGE_S3_BUCKET: {
    schema: setting.text("hybridge").refine((name) => BUCKET.test(name), {
      error: "must be a bucket name: 3 to 63 of a-z, 0-9, dot and dash",
    }),
    doc: "bucket that files land in; made when it is missing",
  },
  HYBRIDGE_S3_PREFIX: {
    schema: setting.optional().refine((path) => path === undefined || PREFIX.test(path), {
      error: "must be a path without slashes at its ends",
    }),
    doc: "folder in the bucket; the bucket's root without it",
  },
  HYBRIDGE_S3_SSE: {
    schema: setting.oneOf(["none", "AES256", "aws:kms"], "none"),
    doc: "encryption that objects are written with; none leaves it to the bucket's default",
  },
  HYBRIDGE_S3_KMS_KEY_ID: {
    schema: setting.optional(),
    doc: "with aws:kms: id, ARN or alias of the key; default: the account's aws/s3 key",
  },
} as const satisfies Settings;

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^[\w.-]+(\/[\w.-]+)*$/;

export type S3Config = Config<typeof s3Settings>;

export function s3Options(config: S3Config): S3Options {
  const endpoint = config.HYBRIDGE_S3_ENDPOINT;
  return { region: config.HYBRIDGE_S3_REGION, ...(endpoint === undefined ? {} : { endpoint }) };
}

/** @throws ConfigError for a key without the encryption that takes it */
export function s3Folder(config: S3Config): S3Folder {
  const sse = config.HYBRIDGE_S3_SSE;
  const kmsKeyId = config.HYBRIDGE_S3_KMS_KEY_ID;
  if (kmsKeyId !== undefined && sse !== "aws:kms") {
    throw new ConfigError(
      `HYBRIDGE_S3_KMS_KEY_ID is for HYBRIDGE_S3_SSE=aws:kms, but that is ${sse}`,
    );
  }
  return {
    bucket: config.HYBRIDGE_S3_BUCKET,
    prefix: config.HYBRIDGE_S3_PREFIX ?? "",
    ...(sse === "none" ? {} : { encryption: { sse, ...(kmsKeyId ? { kmsKeyId } : {}) } }),
  };
}
