import type { Readable } from "node:stream";
import {
  HdfsProtocolError,
  HdfsRefusedError,
  HdfsUnavailableError,
  isNotFound,
  remoteError,
} from "./errors.ts";
import { createExchange, type Response, type Timeouts } from "./exchange.ts";

export interface WebHdfsOptions {
  /** `http://namenode:9870`, without `/webhdfs/v1`. */
  readonly url: string;
  /** Who acts, for a cluster with simple authentication. */
  readonly user: string;
  readonly timeouts?: Timeouts;
}

export interface FileStatus {
  readonly type: "FILE" | "DIRECTORY" | "SYMLINK";
  readonly length: number;
  readonly blockSize: number;
  readonly modificationTime: number;
  /** Octal, such as "444". */
  readonly permission: string;
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
  /** Creates a file that must not exist; parents are made. */
  create(path: string, content: Content, signal: AbortSignal): Promise<void>;
  /** A whole file. @throws HdfsRefusedError FileNotFoundException */
  read(path: string, signal: AbortSignal): Promise<Buffer>;
  /** undefined when nothing is there, and only then. */
  status(path: string, signal: AbortSignal): Promise<FileStatus | undefined>;
  /** @throws HdfsRefusedError FileAlreadyExistsException when `to` is taken, even by a folder */
  rename(from: string, to: string, signal: AbortSignal): Promise<void>;
  makeFolders(path: string, signal: AbortSignal): Promise<void>;
  /** @returns false when nothing was there */
  remove(path: string, signal: AbortSignal): Promise<boolean>;
  setPermission(path: string, octal: string, signal: AbortSignal): Promise<void>;
  setAttribute(path: string, name: string, value: string, signal: AbortSignal): Promise<void>;
  /** undefined when the file has no such attribute. @param name with its namespace, `user.sha256` */
  attribute(path: string, name: string, signal: AbortSignal): Promise<string | undefined>;
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

type Parameters = Readonly<Record<string, string>>;
type Method = "GET" | "PUT" | "POST" | "DELETE";

const TIMEOUTS: Timeouts = { idleMs: 30_000, answerMs: 60_000 };

/** A client of one NameNode (WebHDFS REST API of Hadoop 3). */
export function openWebHdfs(options: WebHdfsOptions): WebHdfs {
  const exchange = createExchange(options.timeouts ?? TIMEOUTS);

  function urlOf(path: string, op: string, parameters: Parameters): URL {
    const encoded = path.split("/").map(encodeURIComponent).join("/");
    const query = new URLSearchParams({ op, "user.name": options.user, ...parameters });
    return new URL(`${options.url}/webhdfs/v1${encoded}?${query.toString()}`);
  }

  /** One request to the NameNode; anything but 200 is an error. */
  async function call(
    method: Method,
    op: string,
    path: string,
    signal: AbortSignal,
    parameters: Parameters = {},
  ): Promise<Response> {
    const attempted = `WebHDFS ${op} ${path}`;
    const url = urlOf(path, op, parameters);
    const response = await exchange.send({ method, url, attempted, signal });
    if (response.status !== 200) throw errorOf(attempted, response);
    return response;
  }

  async function callForJson(
    method: Method,
    op: string,
    path: string,
    signal: AbortSignal,
    parameters?: Parameters,
  ): Promise<Record<string, unknown>> {
    return jsonOf(`WebHDFS ${op} ${path}`, await call(method, op, path, signal, parameters));
  }

  /** An operation whose body says whether it happened: 200 alone means nothing. */
  async function callForBoolean(
    method: Method,
    op: string,
    path: string,
    signal: AbortSignal,
    parameters?: Parameters,
  ): Promise<boolean> {
    const { boolean } = await callForJson(method, op, path, signal, parameters);
    if (typeof boolean === "boolean") return boolean;
    throw new HdfsProtocolError(`WebHDFS ${op} ${path}: the answer has no boolean`);
  }

  /** Where the NameNode wants the data; asked for as JSON, so that no redirect is followed blindly. */
  async function dataUrl(
    method: Method,
    op: string,
    path: string,
    signal: AbortSignal,
    parameters: Parameters = {},
  ): Promise<URL> {
    const options = { ...parameters, noredirect: "true" };
    const { Location: location } = await callForJson(method, op, path, signal, options);
    if (typeof location !== "string" || !/^https?:\/\//.test(location)) {
      throw new HdfsProtocolError(
        `WebHDFS ${op} ${path}: the answer has no Location of a DataNode`,
      );
    }
    return new URL(location);
  }

  return {
    async create(path, content, signal) {
      const attempted = `WebHDFS CREATE ${path} (${content.bytes} bytes)`;
      const url = await dataUrl("PUT", "CREATE", path, signal, { overwrite: "false" });
      const request = { method: "PUT", url, attempted, body: content, signal } as const;
      const response = await exchange.send(request);
      if (response.status !== 201) throw errorOf(attempted, response);
    },
    async read(path, signal) {
      const attempted = `WebHDFS OPEN ${path}`;
      const url = await dataUrl("GET", "OPEN", path, signal);
      const response = await exchange.send({ method: "GET", url, attempted, signal });
      if (response.status !== 200) throw errorOf(attempted, response);
      return response.body;
    },
    async status(path, signal) {
      try {
        const { FileStatus: status } = await callForJson("GET", "GETFILESTATUS", path, signal);
        return statusOf(path, status);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async rename(from, to, signal) {
      // With renameoptions the NameNode uses rename2, which throws where the older call answers
      // false, and never moves into a folder of the target's name. rename2 answers without a body
      // in some releases and {"boolean":true} in others.
      const parameters = { destination: to, renameoptions: "NONE" };
      const response = await call("PUT", "RENAME", from, signal, parameters);
      if (response.body.length === 0) return;
      const { boolean } = jsonOf(`WebHDFS RENAME ${from}`, response);
      if (boolean === true) return;
      throw new HdfsUnavailableError(`WebHDFS RENAME ${from} to ${to}: the NameNode did not do it`);
    },
    async makeFolders(path, signal) {
      if (await callForBoolean("PUT", "MKDIRS", path, signal)) return;
      throw new HdfsUnavailableError(`WebHDFS MKDIRS ${path}: the NameNode did not do it`);
    },
    remove: (path, signal) => callForBoolean("DELETE", "DELETE", path, signal),
    async setPermission(path, octal, signal) {
      await call("PUT", "SETPERMISSION", path, signal, { permission: octal });
    },
    async setAttribute(path, name, value, signal) {
      const quoted = `"${value}"`;
      const parameters = { "xattr.name": name, "xattr.value": quoted, flag: "CREATE" };
      await call("PUT", "SETXATTR", path, signal, parameters);
    },
    async attribute(path, name, signal) {
      const { XAttrs: found } = await callForJson("GET", "GETXATTRS", path, signal, {
        encoding: "text",
      });
      if (!Array.isArray(found))
        throw new HdfsProtocolError(`GETXATTRS ${path}: no list came back`);
      const value = (found as { name?: unknown; value?: unknown }[]).find(
        (attribute) => attribute.name === name,
      )?.value;
      return typeof value === "string" ? value.replace(/^"|"$/g, "") : undefined;
    },
    async checksum(path, signal) {
      const attempted = `WebHDFS GETFILECHECKSUM ${path}`;
      const url = await dataUrl("GET", "GETFILECHECKSUM", path, signal);
      const response = await exchange.send({ method: "GET", url, attempted, signal });
      if (response.status !== 200) throw errorOf(attempted, response);
      const checksum = jsonOf(attempted, response)["FileChecksum"] as Record<string, unknown>;
      const { algorithm, bytes } = checksum;
      if (typeof algorithm !== "string" || typeof bytes !== "string") {
        throw new HdfsProtocolError(`${attempted}: the answer has no checksum`);
      }
      return { algorithm, bytes: Buffer.from(bytes, "hex") };
    },
    async list(path, after, signal) {
      const parameters: Parameters = after === "" ? {} : { startAfter: after };
      const plain = await callForJson("GET", "LISTSTATUS_BATCH", path, signal, parameters);
      return listingOf(path, plain);
    },
    [Symbol.asyncDispose]: () => exchange[Symbol.asyncDispose](),
  };
}

/** What went wrong, from any answer: a RemoteException, or just a status with some text. */
function errorOf(attempted: string, { status, body }: Response) {
  const text = body.toString("utf8");
  const remote = /^\s*\{/.test(text) ? remoteExceptionOf(text) : undefined;
  if (remote) return remoteError(attempted, remote.exception, remote.message);
  const start = text
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 200);
  const message = `${attempted}: HTTP ${status} ${start}`;
  if (status === 401 || status === 403) return new HdfsRefusedError(message, `HTTP ${status}`);
  if (status >= 500 || status === 429 || status === 408) return new HdfsUnavailableError(message);
  return new HdfsProtocolError(`${message}. Is this address a NameNode's WebHDFS?`);
}

function remoteExceptionOf(text: string): { exception: string; message: string } | undefined {
  try {
    const plain = JSON.parse(text) as { RemoteException?: Record<string, unknown> };
    const { exception, message } = plain.RemoteException ?? {};
    if (typeof exception !== "string") return undefined;
    return { exception, message: typeof message === "string" ? message : "" };
  } catch {
    return undefined;
  }
}

function jsonOf(attempted: string, { body }: Response): Record<string, unknown> {
  try {
    const plain: unknown = JSON.parse(body.toString("utf8"));
    if (typeof plain === "object" && plain !== null) return plain as Record<string, unknown>;
  } catch (cause) {
    throw new HdfsProtocolError(`${attempted}: the answer is not JSON`, { cause });
  }
  throw new HdfsProtocolError(`${attempted}: the answer is not a JSON object`);
}

function statusOf(path: string, plain: unknown): FileStatus {
  const { type, length, blockSize, modificationTime, permission } = plain as Record<
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
