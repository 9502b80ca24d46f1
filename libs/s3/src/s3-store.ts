import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type ListObjectsV2Output,
  type PutObjectCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { failpoint, isAbort } from "@hybridge/core";
import { landingStoreOver, type BlobStore, type LandingStore } from "@hybridge/landing";
import { failureOf, s3Error } from "./errors.ts";
import type { S3 } from "./open-s3.ts";
import { encryptionOf, type S3Folder } from "./s3-folder.ts";

/** User metadata of every landed file: what Hybridge read when it wrote it. */
const SHA256_METADATA = "sha256";

/**
 * A LandingStore in a folder of a bucket. An object appears whole or not at all, and only if its
 * name is free (If-None-Match, Amazon S3: "Conditional writes"): that is the write which the
 * ledger's fence needs. The store must honour it; S3 does since 2024.
 */
export function s3LandingStore(s3: S3, folder: S3Folder): LandingStore {
  return landingStoreOver(s3Blobs(s3, folder));
}

/** The same folder as named files, for what else lies beside landed ones. */
export function s3Blobs(s3: S3, folder: S3Folder): BlobStore {
  const { client, address } = s3;
  const { bucket } = folder;
  const keyOf = (name: string) => (folder.prefix === "" ? name : `${folder.prefix}/${name}`);
  const encrypted = encryptionOf(folder);
  const locationOf = (name: string) => `s3://${bucket}/${keyOf(name)}`;
  const call = async <T>(
    verb: string,
    name: string,
    signal: AbortSignal,
    send: (target: { Bucket: string; Key: string }) => Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted();
    try {
      return await send({ Bucket: bucket, Key: keyOf(name) });
    } catch (error) {
      signal.throwIfAborted();
      throw s3Error(`${verb} ${locationOf(name)}`, address, error);
    }
  };
  return {
    scheme: "s3",
    locationOf,
    create: (name, bytes, signal) =>
      call("write", name, signal, (target) =>
        put(client, { ...target, ...encrypted, Body: bytes }, signal),
      ),
    createFromFile: (name, file, signal) =>
      call("write", name, signal, async (target) => {
        const body = createReadStream(file.localPath, { highWaterMark: 262_144 });
        try {
          return await put(
            client,
            {
              ...target,
              ...encrypted,
              Body: body,
              ContentLength: file.bytes,
              // S3 compares it with what arrived.
              ChecksumSHA256: Buffer.from(file.sha256, "hex").toString("base64"),
              Metadata: { [SHA256_METADATA]: file.sha256 },
            },
            signal,
          );
        } finally {
          body.destroy();
        }
      }),
    read: (name, signal) => call("read", name, signal, (target) => read(client, target, signal)),
    describe: (name, signal) =>
      call("describe", name, signal, (target) => describe(client, target, signal)),
    list: (name, after, signal) =>
      call("list", `${name}/`, signal, ({ Bucket, Key }) =>
        list(client, Bucket, Key, after, signal),
      ),
  };
}

type Target = Readonly<{ Bucket: string; Key: string }>;

async function put(
  client: S3Client,
  input: PutObjectCommandInput,
  signal: AbortSignal,
): Promise<"created" | "exists"> {
  failpoint("s3.before-put");
  try {
    await client.send(new PutObjectCommand({ ...input, IfNoneMatch: "*" }), {
      abortSignal: signal,
    });
  } catch (error) {
    // Also the answer to a second try of a request whose first answer was lost.
    if (failureOf(error).status === 412) return "exists";
    throw error;
  }
  failpoint("s3.after-put");
  return "created";
}

async function read(
  client: S3Client,
  target: Target,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand(target), { abortSignal: signal });
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function describe(
  client: S3Client,
  target: Target,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly sha256: string } | undefined> {
  try {
    const head = await client.send(new HeadObjectCommand(target), { abortSignal: signal });
    const kept = head.Metadata?.[SHA256_METADATA];
    const bytes = head.ContentLength ?? 0;
    return { bytes, sha256: kept ?? (await hashOf(client, target, signal)) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function hashOf(client: S3Client, target: Target, signal: AbortSignal): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand(target), { abortSignal: signal });
  const hash = createHash("sha256");
  for await (const piece of Body as AsyncIterable<Buffer>) hash.update(piece);
  return hash.digest("hex");
}

/** @param folder key with a slash at its end */
async function list(
  client: S3Client,
  bucket: string,
  folder: string,
  after: string,
  signal: AbortSignal,
): Promise<{ readonly names: readonly string[]; readonly more: boolean }> {
  let token: string | undefined;
  for (;;) {
    const page: ListObjectsV2Output = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: folder,
        // Folders within count as one entry each and are left out.
        Delimiter: "/",
        ...(token === undefined ? { StartAfter: folder + after } : { ContinuationToken: token }),
      }),
      { abortSignal: signal },
    );
    const keys = (page.Contents ?? []).map(({ Key }) => Key ?? "");
    const names = keys.map((key) => key.slice(folder.length)).filter((name) => name > after);
    token = page.NextContinuationToken;
    const more = page.IsTruncated === true && token !== undefined;
    // A page of nothing but folders must not look like the end.
    if (names.length > 0 || !more) return { names, more };
  }
}

function isMissing(error: unknown): boolean {
  const { name, status } = failureOf(error);
  return status === 404 && name !== "NoSuchBucket" && !isAbort(error);
}
