import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path/posix";
import { Readable } from "node:stream";
import { failpoint, systemClock } from "@hybridge/core";
import type { Draft, TableStore } from "@hybridge/landing";
import {
  HdfsUnavailableError,
  HdfsVerificationError,
  isAlreadyThere,
  isNotFound,
} from "./errors.ts";
import { verify } from "./verify.ts";
import type { Content, WebHdfs } from "./webhdfs.ts";

/** Where a small file is written before it gets its name; the sweep knows the folder. */
const STAGING_FOLDER = "_staging";
/** Folders that are known to be there; a scattered replay has many. */
const KNOWN_FOLDERS_MAX = 10_000;
/** Removals under way at once. */
const REMOVALS_AT_ONCE = 8;

/**
 * A table's folder in HDFS. A file is written under a hidden name, read-only, verified (length and HDFS's own
 * checksum), and renamed; the rename fails if the name is taken, which makes it the
 * conditional write of the landing log.
 *
 * @param folder absolute path of the table's folder
 */
export function hdfsTableStore(hdfs: WebHdfs, folder: string): TableStore {
  const pathOf = (path: string) => `${folder}/${path}`;
  const folders = knownFolders(hdfs);

  /** A whole file, verified and read-only, at a path that only this process knows. */
  async function write(path: string, content: Content, signal: AbortSignal): Promise<void> {
    await createAnew(hdfs, path, content, signal);
    failpoint("hdfs.after-create");
    await verify(hdfs, path, content, signal);
  }

  /** Writes a small file under a hidden name and lets `named` give it the one it is to have. */
  async function stageSmall<T>(
    path: string,
    bytes: Buffer,
    signal: AbortSignal,
    named: (staged: string) => Promise<T>,
  ): Promise<T> {
    // The time is for the sweep, which has nothing else to tell its age from.
    const name = `.${systemClock.now()}-${randomBytes(12).toString("hex")}`;
    const staged = pathOf(`${STAGING_FOLDER}/${name}`);
    try {
      await folders.ensure(dirname(pathOf(path)), signal);
      await write(staged, contentOf(bytes), signal);
      return await named(staged);
    } catch (error) {
      await removeQuietly(hdfs, staged);
      if (!isNotFound(error)) throw error;
      folders.forget(dirname(pathOf(path)));
      const message = `create ${pathOf(path)}: its folder or its staged file is gone`;
      throw new HdfsUnavailableError(message, { cause: error });
    }
  }

  return {
    scheme: "hdfs",
    moves: true,
    locationOf: pathOf,
    read: (path, signal) => orUndefined(() => hdfs.read(pathOf(path), signal)),
    put: (path, bytes, signal) =>
      stageSmall(path, bytes, signal, (staged) => hdfs.replace(staged, pathOf(path), signal)),
    create: (path, bytes, signal) =>
      stageSmall(path, bytes, signal, async (staged) => {
        const outcome = await renameTo(hdfs, staged, pathOf(path), signal);
        if (outcome === "exists") await removeQuietly(hdfs, staged);
        return outcome;
      }),
    async draft(path, bytes, signal) {
      await write(pathOf(path), contentOf(bytes), signal);
      return draftAt(hdfs, pathOf, folders, path);
    },
    async list(path, after, signal) {
      const found = await orUndefined(() => hdfs.list(pathOf(path), startAfter(after), signal));
      const names = (found?.entries ?? []).map(({ name, type }) =>
        type === "DIRECTORY" ? `${name}/` : name,
      );
      return { names, more: found?.more ?? false };
    },
    async remove(paths, signal) {
      for (let start = 0; start < paths.length; start += REMOVALS_AT_ONCE) {
        const some = paths.slice(start, start + REMOVALS_AT_ONCE);
        await Promise.all(
          some.map((path) =>
            path.endsWith("/")
              ? hdfs.removeFolder(pathOf(path).slice(0, -1), signal)
              : hdfs.remove(pathOf(path), signal),
          ),
        );
      }
    },
    async upload(path, file, signal) {
      const { size } = await stat(file.localPath);
      if (size !== file.bytes) {
        const message = `upload ${file.localPath}: it has ${size} bytes, not ${file.bytes}`;
        throw new HdfsVerificationError(message);
      }
      const open = () =>
        createReadStream(file.localPath, { highWaterMark: Math.min(file.bytes + 1, 1_048_576) });
      await write(pathOf(path), { bytes: file.bytes, open }, signal);
    },
    size: async (path, signal) => (await hdfs.status(pathOf(path), signal))?.length,
    async move(from, to, signal) {
      await folders.ensure(dirname(pathOf(to)), signal);
      try {
        const outcome = await renameTo(hdfs, pathOf(from), pathOf(to), signal);
        return outcome === "created" ? "moved" : "exists";
      } catch (error) {
        if (!isNotFound(error)) throw error;
        if ((await hdfs.status(pathOf(from), signal)) === undefined) return "absent";
        folders.forget(dirname(pathOf(to)));
        const message = `rename ${pathOf(from)} to ${pathOf(to)}: a folder is gone`;
        throw new HdfsUnavailableError(message, { cause: error });
      }
    },
  };
}

function draftAt(
  hdfs: WebHdfs,
  pathOf: (path: string) => string,
  folders: KnownFolders,
  path: string,
): Draft {
  return {
    async createAs(name, signal) {
      const target = pathOf(name);
      await folders.ensure(dirname(target), signal);
      try {
        return await renameTo(hdfs, pathOf(path), target, signal);
      } catch (error) {
        if (!isNotFound(error)) throw error;
        // An earlier try of this call won and its answer was lost; or a sweep took the draft.
        if ((await hdfs.status(target, signal)) !== undefined) return "exists";
        folders.forget(dirname(target));
        const message = `rename ${pathOf(path)} to ${target}: the draft is gone, or the folder`;
        throw new HdfsUnavailableError(message, { cause: error });
      }
    },
  };
}

/** @throws HdfsRefusedError FileNotFoundException when the source or the target's folder is gone */
async function renameTo(
  hdfs: WebHdfs,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<"created" | "exists"> {
  failpoint("hdfs.before-rename");
  try {
    await hdfs.rename(from, to, signal);
  } catch (error) {
    if (isAlreadyThere(error)) return "exists";
    throw error;
  }
  failpoint("hdfs.after-rename");
  return "created";
}

/** What an earlier try left under a name of our own is thrown away: it may be half a file. */
async function createAnew(
  hdfs: WebHdfs,
  path: string,
  content: Content,
  signal: AbortSignal,
): Promise<void> {
  try {
    await hdfs.create(path, content, signal);
  } catch (error) {
    if (!isAlreadyThere(error)) throw error;
    await hdfs.remove(path, signal);
    await hdfs.create(path, content, signal);
  }
}

interface KnownFolders {
  ensure(path: string, signal: AbortSignal): Promise<void>;
  forget(path: string): void;
}

function knownFolders(hdfs: WebHdfs): KnownFolders {
  const known = new Set<string>();
  return {
    async ensure(path, signal) {
      if (known.has(path)) return;
      await hdfs.makeFolders(path, signal);
      if (known.size >= KNOWN_FOLDERS_MAX) known.clear();
      known.add(path);
    },
    forget: (path) => void known.delete(path),
  };
}

function contentOf(bytes: Buffer): Content {
  return { bytes: bytes.length, open: () => Readable.from([bytes]) };
}

/** HDFS has no slash in the names that it lists. */
function startAfter(after: string): string {
  return after.endsWith("/") ? after.slice(0, -1) : after;
}

async function orUndefined<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** A staged file that stays costs space until the sweep; the error at hand matters more. */
async function removeQuietly(hdfs: WebHdfs, path: string): Promise<void> {
  await hdfs.remove(path, AbortSignal.timeout(2_000)).catch(() => undefined);
}
