import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { failpoint, InvariantError, isAbort } from "@hybridge/core";
import type { LocalFile, TableStore } from "@hybridge/landing";
import { failureOf, S3IncompleteError, s3Error } from "./errors.ts";
import { listFolder, listKeys } from "./list.ts";
import { uploadInParts } from "./multipart.ts";
import type { S3 } from "./open-s3.ts";
import { encryptionOf, type S3Folder } from "./s3-folder.ts";

/** User metadata of every landed file: what Hybridge read when it wrote it. */
const sums = (file: LocalFile) => ({ sha256: file.sha256 });
/** Longer files go up in parts. */
const SINGLE_BYTES_MAX = 67_108_864;
/** Of one DeleteObjects (Amazon S3 API reference). */
const DELETE_MAX = 1_000;

/**
 * A table's folder in a bucket. An object appears whole or not at all, and a conditional write only
 * if its name is free (If-None-Match, Amazon S3: "Conditional writes"). The store must honour that;
 * S3 does since 2024.
 */
export function s3TableStore({ client, address }: S3, folder: S3Folder): TableStore {
  const { bucket, prefix } = folder;
  const keyOf = (path: string) => (prefix === "" ? path : `${prefix}/${path}`);
  const locationOf = (path: string) => `s3://${bucket}/${keyOf(path)}`;
  const encrypted = encryptionOf(folder);
  type Target = Readonly<{ Bucket: string; Key: string }>;

  async function call<T>(
    verb: string,
    path: string,
    signal: AbortSignal,
    send: (target: Target) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    try {
      return await send({ Bucket: bucket, Key: keyOf(path) });
    } catch (error) {
      signal.throwIfAborted();
      throw s3Error(`${verb} ${locationOf(path)}`, address, error);
    }
  }

  const write = (path: string, bytes: Buffer, more: Conditions, signal: AbortSignal) =>
    call("write", path, signal, (target) =>
      put(client, { ...target, ...encrypted, ...more, Body: bytes }, signal),
    );
  const createAt = (path: string, bytes: Buffer, signal: AbortSignal) =>
    write(path, bytes, { IfNoneMatch: "*" }, signal);
  const sizeOf = (path: string, signal: AbortSignal) =>
    call("look at", path, signal, (target) => size(client, target, signal));

  return {
    scheme: "s3",
    moves: false,
    locationOf,
    read: (path, signal) => call("read", path, signal, (target) => read(client, target, signal)),
    async put(path, bytes, signal) {
      await write(path, bytes, {}, signal);
    },
    create: createAt,
    async draft(path, bytes, signal) {
      await write(path, bytes, {}, signal);
      return { createAs: (name, until) => createAt(name, bytes, until) };
    },
    list: (path, after, signal) =>
      call("list", `${path}/`, signal, ({ Bucket, Key }) =>
        listFolder(client, Bucket, Key, after, signal),
      ),
    async remove(paths, signal) {
      const keys = paths.filter((path) => !path.endsWith("/")).map(keyOf);
      for (const path of paths.filter((each) => each.endsWith("/"))) {
        await call("remove", path, signal, async ({ Bucket, Key }) => {
          for await (const page of listKeys(client, Bucket, Key, signal)) {
            await removeKeys(client, Bucket, page, signal);
          }
        });
      }
      await call("remove", paths[0] ?? "", signal, ({ Bucket }) =>
        removeKeys(client, Bucket, keys, signal),
      );
    },
    async upload(path, file, signal) {
      const { size: length } = await stat(file.localPath);
      if (length !== file.bytes) throw incomplete(file.localPath, `has ${length} bytes`, file);
      await call("upload", path, signal, (target) =>
        file.bytes <= SINGLE_BYTES_MAX
          ? uploadWhole(client, { ...target, ...encrypted }, file, signal)
          : uploadInParts(client, { ...target, ...encrypted, Metadata: sums(file) }, file, signal),
      );
      const bytes = await sizeOf(path, signal);
      if (bytes === file.bytes) return;
      throw incomplete(locationOf(path), `${address} has ${bytes ?? "no"} bytes`, file);
    },
    size: sizeOf,
    move: () => Promise.reject(new InvariantError("S3 moves nothing; see TableStore.moves")),
  };
}

function incomplete(place: string, found: string, file: LocalFile): S3IncompleteError {
  return new S3IncompleteError(`upload ${place}: ${found}, not ${file.bytes}`);
}

type Conditions = Pick<PutObjectCommandInput, "IfNoneMatch">;

async function put(
  client: S3Client,
  input: PutObjectCommandInput,
  signal: AbortSignal,
): Promise<"created" | "exists"> {
  failpoint("s3.before-put");
  try {
    await client.send(new PutObjectCommand(input), { abortSignal: signal });
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
  target: Readonly<{ Bucket: string; Key: string }>,
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

async function size(
  client: S3Client,
  target: Readonly<{ Bucket: string; Key: string }>,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const head = await client.send(new HeadObjectCommand(target), { abortSignal: signal });
    return head.ContentLength ?? 0;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function removeKeys(
  client: S3Client,
  bucket: string,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < keys.length; start += DELETE_MAX) {
    const Objects = keys.slice(start, start + DELETE_MAX).map((Key) => ({ Key }));
    const { Errors } = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }),
      { abortSignal: signal },
    );
    // The request succeeds although objects may have stayed (Amazon S3: "DeleteObjects").
    const [first] = Errors ?? [];
    if (first) throw Object.assign(new Error(first.Message ?? first.Key), { name: first.Code });
  }
}

async function uploadWhole(
  client: S3Client,
  target: PutObjectCommandInput,
  file: LocalFile,
  signal: AbortSignal,
): Promise<void> {
  const body = createReadStream(file.localPath, { highWaterMark: 262_144 });
  try {
    await put(
      client,
      {
        ...target,
        Body: body,
        ContentLength: file.bytes,
        // S3 compares it with what arrived.
        ChecksumSHA256: Buffer.from(file.sha256, "hex").toString("base64"),
        Metadata: sums(file),
      },
      signal,
    );
  } finally {
    body.destroy();
  }
}

function isMissing(error: unknown): boolean {
  const { name, status } = failureOf(error);
  return status === 404 && name !== "NoSuchBucket" && !isAbort(error);
}
