import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type CompletedPart,
  type CreateMultipartUploadCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";

/** Memory is PART_BYTES for each part under way; 10,000 parts, the most that S3 takes, are 156 GiB. */
export const PART_BYTES = 16_777_216;
const PARTS_AT_ONCE = 2;
const ABORT_MS = 10_000;

/**
 * Uploads a local file in parts. S3 compares the SHA-256 of each, and the object appears when all
 * are there. What fails leaves no parts behind, unless S3 cannot be reached: then a lifecycle rule
 * for unfinished uploads removes them.
 */
export async function uploadInParts(
  client: S3Client,
  target: CreateMultipartUploadCommandInput,
  file: { readonly localPath: string; readonly bytes: number },
  signal: AbortSignal,
): Promise<void> {
  const place = { Bucket: target.Bucket, Key: target.Key };
  const begun = await client.send(
    new CreateMultipartUploadCommand({ ...target, ChecksumAlgorithm: "SHA256" }),
    { abortSignal: signal },
  );
  const upload = { ...place, UploadId: begun.UploadId };
  const failed = new AbortController();
  const until = AbortSignal.any([signal, failed.signal]);
  try {
    await using handle = await open(file.localPath);
    const count = Math.ceil(file.bytes / PART_BYTES);
    const parts: CompletedPart[] = [];
    let next = 0;
    const worker = async () => {
      while (next < count) {
        const index = next++;
        parts[index] = await uploadPart(client, upload, handle, index, file.bytes, until);
      }
    };
    await allSettled(Array.from({ length: PARTS_AT_ONCE }, worker), failed);
    await client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }),
      { abortSignal: signal },
    );
  } catch (error) {
    const abort = new AbortMultipartUploadCommand(upload);
    await client.send(abort, { abortSignal: AbortSignal.timeout(ABORT_MS) }).catch(() => undefined);
    throw error;
  }
}

async function uploadPart(
  client: S3Client,
  upload: { Bucket: string | undefined; Key: string | undefined; UploadId: string | undefined },
  handle: FileHandle,
  index: number,
  fileBytes: number,
  signal: AbortSignal,
): Promise<CompletedPart> {
  const from = index * PART_BYTES;
  const Body = Buffer.allocUnsafe(Math.min(PART_BYTES, fileBytes - from));
  for (let at = 0; at < Body.length;) {
    const { bytesRead } = await handle.read(Body, at, Body.length - at, from + at);
    if (bytesRead === 0) throw new Error(`the local file ends at ${from + at} bytes`);
    at += bytesRead;
  }
  const ChecksumSHA256 = createHash("sha256").update(Body).digest("base64");
  const PartNumber = index + 1;
  const { ETag } = await client.send(
    new UploadPartCommand({ ...upload, PartNumber, Body, ChecksumSHA256 }),
    { abortSignal: signal },
  );
  return { PartNumber, ETag, ChecksumSHA256 };
}

/** Nothing is under way any more when it settles; the first failure ends the others. */
async function allSettled(workers: readonly Promise<void>[], failed: AbortController) {
  for (const worker of workers) worker.catch((error: unknown) => failed.abort(error));
  await Promise.allSettled(workers);
  if (failed.signal.aborted) throw failed.signal.reason;
}
