import type { Readable } from "node:stream";
import { createCalls, errorOf, jsonOf, type Calls, type NameNodes } from "./calls.ts";
import { HdfsProtocolError, HdfsUnavailableError, isNotFound } from "./errors.ts";

export type WebHdfsOptions = NameNodes;

export interface FileStatus {
  readonly type: "FILE" | "DIRECTORY" | "SYMLINK";
  readonly length: number;
  readonly blockSize: number;
  readonly modificationTime: number;
  /** Octal, such as "444". */
  readonly permission: string;
  /** In an encryption zone: what the DataNodes store, and checksum, is cipher text. */
  readonly encrypted: boolean;
}

export interface FileChecksum {
  /** Such as `MD5-of-0MD5-of-512CRC32C`. */
  readonly algorithm: string;
  readonly bytes: Buffer;
}

/**
 * The operations of WebHDFS that Hybridge uses. Each succeeds only if the NameNode or DataNode said
 * so: statuses, RemoteExceptions and boolean bodies are all checked.
 */
export interface WebHdfs extends AsyncDisposable {
  /** Creates a file that must not exist and nobody may change; parents are made. */
  create(path: string, content: Content, signal: AbortSignal): Promise<void>;
  /** A whole file. @throws HdfsRefusedError FileNotFoundException */
  read(path: string, signal: AbortSignal): Promise<Buffer>;
  /** undefined when nothing is there, and only then. */
  status(path: string, signal: AbortSignal): Promise<FileStatus | undefined>;
  /** @throws HdfsRefusedError FileAlreadyExistsException when `to` is taken, even by a folder */
  rename(from: string, to: string, signal: AbortSignal): Promise<void>;
  /** The same over a file that is there, in one step. */
  replace(from: string, to: string, signal: AbortSignal): Promise<void>;
  makeFolders(path: string, signal: AbortSignal): Promise<void>;
  /** @returns false when nothing was there */
  remove(path: string, signal: AbortSignal): Promise<boolean>;
  /** A folder with all that is in it. @returns false when nothing was there */
  removeFolder(path: string, signal: AbortSignal): Promise<boolean>;
  setPermission(path: string, octal: string, signal: AbortSignal): Promise<void>;
  checksum(path: string, signal: AbortSignal): Promise<FileChecksum>;
  /** One page of names in a folder, after a name, in the order of their bytes. */
  list(
    path: string,
    after: string,
    signal: AbortSignal,
  ): Promise<{ readonly entries: readonly ListedFile[]; readonly more: boolean }>;
}

export interface ListedFile extends FileStatus {
  readonly name: string;
}

/** Bytes of a known length that can be opened again for another try. */
export interface Content {
  readonly bytes: number;
  open(): Readable;
}

/** A client of HDFS through its NameNodes (WebHDFS REST API of Hadoop 3). */
export function openWebHdfs(options: WebHdfsOptions): WebHdfs {
  const calls = createCalls(options);
  return {
    ...contentOperations(calls),
    ...nameOperations(calls),
    ...attributeOperations(calls),
    [Symbol.asyncDispose]: () => calls.exchange[Symbol.asyncDispose](),
  };
}

function contentOperations({ dataUrl, readData, exchange }: Calls) {
  return {
    async create(path, content, signal) {
      const attempted = `WebHDFS CREATE ${path} (${content.bytes} bytes)`;
      const url = await dataUrl("PUT", "CREATE", path, signal, {
        overwrite: "false",
        // The DataNode applies no umask to it.
        permission: "444",
      });
      const request = { method: "PUT", url, attempted, body: content, signal } as const;
      const response = await exchange.send(request);
      if (response.status !== 201) throw errorOf(attempted, response);
    },
    async read(path, signal) {
      const { body } = await readData("OPEN", path, signal);
      return body;
    },
    async checksum(path, signal) {
      const attempted = `WebHDFS GETFILECHECKSUM ${path}`;
      const plain = jsonOf(attempted, await readData("GETFILECHECKSUM", path, signal));
      const { algorithm, bytes } = (plain["FileChecksum"] ?? {}) as Record<string, unknown>;
      if (typeof algorithm === "string" && typeof bytes === "string") {
        return { algorithm, bytes: Buffer.from(bytes, "hex") };
      }
      throw new HdfsProtocolError(`${attempted}: the answer has no checksum`);
    },
  } satisfies Partial<WebHdfs>;
}

function nameOperations({ call, callForJson, callForBoolean }: Calls) {
  return {
    rename: (from, to, signal) => rename(call, from, to, "NONE", signal),
    replace: (from, to, signal) => rename(call, from, to, "OVERWRITE", signal),
    async makeFolders(path, signal) {
      if (await callForBoolean("PUT", "MKDIRS", path, signal)) return;
      throw new HdfsUnavailableError(`WebHDFS MKDIRS ${path}: the NameNode did not do it`);
    },
    remove: (path, signal) => callForBoolean("DELETE", "DELETE", path, signal),
    removeFolder: (path, signal) =>
      callForBoolean("DELETE", "DELETE", path, signal, { recursive: "true" }),
    async list(path, after, signal) {
      const parameters = after === "" ? {} : { startAfter: after };
      const plain = await callForJson("GET", "LISTSTATUS_BATCH", path, signal, parameters);
      return listingOf(path, plain);
    },
  } satisfies Partial<WebHdfs>;
}

async function rename(
  call: Calls["call"],
  from: string,
  to: string,
  renameoptions: "NONE" | "OVERWRITE",
  signal: AbortSignal,
): Promise<void> {
  // With renameoptions the NameNode uses rename2, which throws where the older call answers false,
  // and never moves into a folder of the target's name. rename2 answers without a body in some
  // releases and {"boolean":true} in others.
  const response = await call("PUT", "RENAME", from, signal, { destination: to, renameoptions });
  if (response.body.length === 0) return;
  const { boolean } = jsonOf(`WebHDFS RENAME ${from}`, response);
  if (boolean === true) return;
  throw new HdfsUnavailableError(`WebHDFS RENAME ${from} to ${to}: the NameNode did not do it`);
}

function attributeOperations({ call, callForJson }: Calls) {
  return {
    async status(path, signal) {
      try {
        const { FileStatus: status } = await callForJson("GET", "GETFILESTATUS", path, signal);
        return statusOf(path, status);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async setPermission(path, octal, signal) {
      await call("PUT", "SETPERMISSION", path, signal, { permission: octal });
    },
  } satisfies Partial<WebHdfs>;
}

function statusOf(path: string, plain: unknown): FileStatus {
  const { type, length, blockSize, modificationTime, permission, encBit } = plain as Record<
    string,
    unknown
  >;
  if (typeof length !== "number" || typeof type !== "string" || typeof permission !== "string") {
    throw new HdfsProtocolError(`WebHDFS status of ${path}: the answer lacks type or length`);
  }
  return {
    type: type as FileStatus["type"],
    length,
    blockSize: Number(blockSize ?? 0),
    modificationTime: Number(modificationTime ?? 0),
    permission,
    encrypted: encBit === true,
  };
}

interface PlainListing {
  DirectoryListing?: {
    partialListing?: { FileStatuses?: { FileStatus?: Record<string, unknown>[] } };
    remainingEntries?: number;
  };
}

function listingOf(path: string, plain: PlainListing) {
  const { partialListing, remainingEntries } = plain.DirectoryListing ?? {};
  const found = partialListing?.FileStatuses?.FileStatus;
  if (!found) throw new HdfsProtocolError(`WebHDFS LISTSTATUS_BATCH ${path}: no listing came back`);
  const entries = found.map((each) => {
    return { ...statusOf(path, each), name: String(each["pathSuffix"]) };
  });
  return { entries, more: (remainingEntries ?? 0) > 0 };
}
