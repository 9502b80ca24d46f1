import {
  HdfsProtocolError,
  HdfsRefusedError,
  HdfsUnavailableError,
  remoteError,
} from "./errors.ts";
import { createExchange, type Exchange, type Response, type Timeouts } from "./exchange.ts";

export interface NameNode {
  /** `http://namenode:9870`, without `/webhdfs/v1`. */
  readonly url: string;
  /** Who acts, for a cluster with simple authentication. */
  readonly user: string;
  readonly timeouts?: Timeouts;
}

type Parameters = Readonly<Record<string, string>>;
type Method = "GET" | "PUT" | "POST" | "DELETE";
type Ask<T> = (
  method: Method,
  op: string,
  path: string,
  signal: AbortSignal,
  parameters?: Parameters,
) => Promise<T>;

/** Requests to a NameNode, and to the DataNodes that it names. */
export interface Calls {
  /** One request to the NameNode; anything but 200 is an error. */
  readonly call: Ask<Response>;
  readonly callForJson: Ask<Record<string, unknown>>;
  /** An operation whose body says whether it happened: 200 alone means nothing. */
  readonly callForBoolean: Ask<boolean>;
  /** Where the NameNode wants the data; asked for as JSON, so that no redirect is followed blindly. */
  readonly dataUrl: Ask<URL>;
  /** Asks the NameNode for a DataNode and that for the answer. */
  readonly readData: (op: string, path: string, signal: AbortSignal) => Promise<Response>;
  readonly exchange: Exchange;
}

const TIMEOUTS: Timeouts = { idleMs: 30_000, answerMs: 60_000 };

export function createCalls(options: NameNode): Calls {
  const exchange = createExchange(options.timeouts ?? TIMEOUTS);

  const call: Calls["call"] = async (method, op, path, signal, parameters = {}) => {
    const attempted = `WebHDFS ${op} ${path}`;
    const url = urlOf(options, path, op, parameters);
    const response = await exchange.send({ method, url, attempted, signal });
    if (response.status !== 200) throw errorOf(attempted, response);
    return response;
  };
  const callForJson: Calls["callForJson"] = async (method, op, path, signal, parameters) =>
    jsonOf(`WebHDFS ${op} ${path}`, await call(method, op, path, signal, parameters));
  const callForBoolean: Calls["callForBoolean"] = async (method, op, path, signal, parameters) => {
    const { boolean } = await callForJson(method, op, path, signal, parameters);
    if (typeof boolean === "boolean") return boolean;
    throw new HdfsProtocolError(`WebHDFS ${op} ${path}: the answer has no boolean`);
  };
  const dataUrl: Calls["dataUrl"] = async (method, op, path, signal, parameters = {}) => {
    const asJson = { ...parameters, noredirect: "true" };
    const { Location: location } = await callForJson(method, op, path, signal, asJson);
    if (typeof location === "string" && /^https?:\/\//.test(location)) return new URL(location);
    throw new HdfsProtocolError(`WebHDFS ${op} ${path}: the answer has no Location of a DataNode`);
  };
  const readData: Calls["readData"] = async (op, path, signal) => {
    const attempted = `WebHDFS ${op} ${path}`;
    const url = await dataUrl("GET", op, path, signal);
    const response = await exchange.send({ method: "GET", url, attempted, signal });
    if (response.status !== 200) throw errorOf(attempted, response);
    return response;
  };
  return { call, callForJson, callForBoolean, dataUrl, readData, exchange };
}

function urlOf({ url, user }: NameNode, path: string, op: string, parameters: Parameters): URL {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  const query = new URLSearchParams({ op, "user.name": user, ...parameters });
  return new URL(`${url}/webhdfs/v1${encoded}?${query.toString()}`);
}

/** What went wrong, from any answer: a RemoteException, or just a status with some text. */
export function errorOf(attempted: string, { status, body }: Response) {
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

/** The object that an answer holds. @param attempted for the message when it holds none */
export function jsonOf(attempted: string, { body }: Response): Record<string, unknown> {
  try {
    const plain: unknown = JSON.parse(body.toString("utf8"));
    if (typeof plain === "object" && plain !== null) return plain as Record<string, unknown>;
  } catch (cause) {
    throw new HdfsProtocolError(`${attempted}: the answer is not JSON`, { cause });
  }
  throw new HdfsProtocolError(`${attempted}: the answer is not a JSON object`);
}
