import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { dirname } from "node:path/posix";
import { Readable } from "node:stream";
import { failpoint } from "@hybridge/core";
import { landingStoreOver, type BlobStore, type LandingStore } from "@hybridge/landing";
import { blockChecksum, chunkBytesOf } from "./block-checksum.ts";
import {
  HdfsRefusedError,
  HdfsUnavailableError,
  HdfsVerificationError,
  isAlreadyThere,
  isNotFound,
} from "./errors.ts";
import type { Content, WebHdfs } from "./webhdfs.ts";

const SHA256_ATTRIBUTE = "user.sha256";
const STAGING_FOLDER = "_staging";

/**
 * A LandingStore in a folder of HDFS. A file is written under a hidden name of its own, verified
 * (length and HDFS's own checksum), made read-only and renamed; the rename fails if the name is
 * taken, which makes it the conditional write that the ledger's fence needs.
 *
 * @param folder absolute path; the table is its sub-folder `tweets`
 */
export function hdfsLandingStore(hdfs: WebHdfs, folder: string): LandingStore {
  return landingStoreOver(hdfsBlobs(hdfs, folder));
}

function hdfsBlobs(hdfs: WebHdfs, folder: string): BlobStore {
  const pathOf = (name: string) => `${folder}/${name}`;
  const knownFolders = new Set<string>();

  async function ensureFolder(path: string, signal: AbortSignal): Promise<void> {
    if (knownFolders.has(path)) return;
    await hdfs.makeFolders(path, signal);
    if (knownFolders.size > 10_000) knownFolders.clear();
    knownFolders.add(path);
  }

  /** @param sha256 kept as an attribute of the file, when it is known */
  async function create(
    name: string,
    content: Content,
    sha256: string | undefined,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    const path = pathOf(name);
    // A random name: two owners, or two tries of one, never write to the same staged file.
    const staged = `${folder}/${STAGING_FOLDER}/${randomBytes(12).toString("hex")}`;
    await ensureFolder(dirname(path), signal);
    try {
      await hdfs.create(staged, content, signal);
      failpoint("hdfs.after-create");
      await verify(hdfs, staged, content, signal);
      if (sha256 !== undefined) await keepSha256(hdfs, staged, sha256, signal);
      await hdfs.setPermission(staged, "444", signal);
      failpoint("hdfs.before-rename");
      await hdfs.rename(staged, path, signal);
      failpoint("hdfs.after-rename");
      return "created";
    } catch (error) {
      await removeQuietly(hdfs, staged);
      if (isAlreadyThere(error)) return "exists";
      if (isNotFound(error)) {
        // Somebody removed the folder, or swept the staged file away: make it anew next time.
        knownFolders.delete(dirname(path));
        const message = `publish ${path}: its folder or its staged file is gone`;
        throw new HdfsUnavailableError(message, { cause: error });
      }
      throw error;
    }
  }

  return {
    scheme: "hdfs",
    locationOf: pathOf,
    create: (name, bytes, signal) =>
      create(name, { bytes: bytes.length, open: () => Readable.from([bytes]) }, undefined, signal),
    createFromFile(name, file, signal) {
      const open = () => createReadStream(file.localPath, { highWaterMark: 1_048_576 });
      return create(name, { bytes: file.bytes, open }, file.sha256, signal);
    },
    async read(name, signal) {
      try {
        return await hdfs.read(pathOf(name), signal);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async describe(name, signal) {
      const path = pathOf(name);
      const status = await hdfs.status(path, signal);
      if (!status) return undefined;
      const kept = await sha256Kept(hdfs, path, signal);
      const sha256 = kept ?? sha256Of(await hdfs.read(path, signal));
      return { bytes: status.length, sha256 };
    },
    async list(name, after, signal) {
      try {
        const { entries, more } = await hdfs.list(pathOf(name), after, signal);
        return { names: entries.map((entry) => entry.name), more };
      } catch (error) {
        if (isNotFound(error)) return { names: [], more: false };
        throw error;
      }
    },
  };
}

/** Has HDFS what was sent? @throws HdfsVerificationError, and the staged file is thrown away */
export async function verify(
  hdfs: WebHdfs,
  path: string,
  content: Content,
  signal: AbortSignal,
): Promise<void> {
  const status = await hdfs.status(path, signal);
  if (status?.length !== content.bytes) {
    throw new HdfsVerificationError(
      `wrote ${content.bytes} bytes to ${path}, HDFS has ${status?.length ?? "no file"}`,
    );
  }
  if (content.bytes === 0) return;
  const found = status.encrypted ? undefined : await hdfs.checksum(path, signal);
  const chunkBytes = found && chunkBytesOf(found.algorithm);
  const matches =
    found === undefined || chunkBytes === undefined
      ? sha256Of(await hdfs.read(path, signal)) === (await sha256OfContent(content))
      : (await blockChecksum(content.open(), status.blockSize, chunkBytes)).equals(
          found.bytes.subarray(0, 28),
        );
  if (matches) return;
  const checksum = found ? `${found.algorithm} ${found.bytes.toString("hex")}` : "read back";
  throw new HdfsVerificationError(
    `${path}: HDFS has other content than was sent (${checksum}). ` +
      "Check the network and the DataNode's disks.",
  );
}

/** Attributes can be switched off (dfs.namenode.xattrs.enabled); then files are hashed when asked. */
async function keepSha256(
  hdfs: WebHdfs,
  path: string,
  sha256: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await hdfs.setAttribute(path, SHA256_ATTRIBUTE, sha256, signal);
  } catch (error) {
    if (!isSwitchedOff(error)) throw error;
  }
}

async function sha256Kept(
  hdfs: WebHdfs,
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await hdfs.attribute(path, SHA256_ATTRIBUTE, signal);
  } catch (error) {
    if (isSwitchedOff(error)) return undefined;
    throw error;
  }
}

function isSwitchedOff(error: unknown): boolean {
  return error instanceof HdfsRefusedError && error.exception === "UnsupportedOperationException";
}

/** A staged file that stays costs space until the sweep; the error at hand matters more. */
async function removeQuietly(hdfs: WebHdfs, path: string): Promise<void> {
  await hdfs.remove(path, AbortSignal.timeout(2_000)).catch(() => undefined);
}

/** Removes staged files that killed processes left, once they are older than any upload. */
export async function sweepStaging(
  hdfs: WebHdfs,
  folder: string,
  olderThanMs: number,
  signal: AbortSignal,
): Promise<number> {
  const staging = `${folder}/${STAGING_FOLDER}`;
  if ((await hdfs.status(staging, signal)) === undefined) return 0;
  let removed = 0;
  let after = "";
  for (;;) {
    const { entries, more } = await hdfs.list(staging, after, signal);
    for (const { name, modificationTime } of entries) {
      after = name;
      if (modificationTime > olderThanMs) continue;
      if (await hdfs.remove(`${staging}/${name}`, signal)) removed += 1;
    }
    if (!more) return removed;
  }
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function sha256OfContent(content: Content): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of content.open() as AsyncIterable<Buffer>) hash.update(piece);
  return hash.digest("hex");
}
