import type { PutObjectCommandInput } from "@aws-sdk/client-s3";

/** A folder of a bucket. */
export interface S3Folder {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
  /** What objects are encrypted with when they are written; default: what the bucket says. */
  readonly encryption?: { readonly sse: "AES256" | "aws:kms"; readonly kmsKeyId?: string };
}

/** What a write says of encryption. */
export function encryptionOf({ encryption }: S3Folder): Partial<PutObjectCommandInput> {
  if (encryption === undefined) return {};
  const { sse, kmsKeyId } = encryption;
  return {
    ServerSideEncryption: sse,
    ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
  };
}
