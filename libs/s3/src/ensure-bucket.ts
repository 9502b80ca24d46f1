import { CreateBucketCommand, HeadBucketCommand } from "@aws-sdk/client-s3";
import { failureOf, s3Error } from "./errors.ts";
import type { S3 } from "./open-s3.ts";

/** Creates the bucket if there is none. @throws as the store; S3AccessError when it is another's */
export async function ensureBucket(s3: S3, bucket: string, signal: AbortSignal): Promise<void> {
  try {
    await s3.client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    return;
  } catch (error) {
    signal.throwIfAborted();
    if (failureOf(error).status !== 404) throw s3Error(`look at s3://${bucket}`, s3.address, error);
  }
  try {
    await s3.client.send(new CreateBucketCommand({ Bucket: bucket }), { abortSignal: signal });
  } catch (error) {
    signal.throwIfAborted();
    // Another process was faster.
    if (failureOf(error).name === "BucketAlreadyOwnedByYou") return;
    throw s3Error(`create s3://${bucket}`, s3.address, error);
  }
}
