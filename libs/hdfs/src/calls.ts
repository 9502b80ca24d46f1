import { systemClock, type Clock, type Emit, type TlsMaterial } from "@hybridge/core";
import { describeToken, tokenWatch } from "./delegation-token.ts";
import {
  HdfsProtocolError,
  HdfsRefusedError,
  HdfsTokenError,
  HdfsUnavailableError,
  isStandby,
  isTokenRefused,
  remoteError,
} from "./errors.ts";
import {
  createExchange,
  isUnsent,
  type Exchange,
  type Response,
  type Timeouts,
} from "./exchange.ts";

export interface NameNodes {
  /**
   * `http://namenode:9870`, without `/webhdfs/v1`; several with commas. One that is standby or away
   * is passed over, and the active one is remembered.
   */
  readonly url: string;
  /** Who acts, for a cluster with simple authentication. */
  readonly user: string;
  /** Instead of a user: a delegation token, for a cluster with Kerberos. Asked for at each request. */
  readonly token?: { value(): string } | undefined;
  /** For https URLs; asked for at each request. */
  readonly tls?: () => TlsMaterial;
  readonly emit?: Emit;
  readonly clock?: Clock;
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

export function createCalls(options: NameNodes): Calls {
  const exchange = createExchange(options.timeouts ?? TIMEOUTS, options.tls);
  const ask = nameNodeAsker(options, exchange);
  const call: Calls["call"] = (method, op, path, signal, parameters = {}) =>
    ask({ method, op, path, parameters, signal });
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
    // The URL may carry the token: it goes into no error.
    const isUsable = typeof location === "string" && /^https?:\/\//.test(location);
    if (isUsable && URL.canParse(location)) return new URL(location);
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

interface Question {
  readonly method: Method;
  readonly op: string;
  readonly path: string;
  readonly parameters: Parameters;
  readonly signal: AbortSignal;
}

/** Asks the active NameNode: the one that answered last, or the next that does. */
function nameNodeAsker(options: NameNodes, exchange: Exchange) {
  const urls = options.url.split(",").map((url) => url.trim());
  const { token, emit = () => undefined, clock = systemClock } = options;
  const watch = tokenWatch(emit, clock);
  /** Counts on when a NameNode is passed over; the place in the list is its remainder. */
  let current = 0;

  async function askOne(url: string, question: Question): Promise<Response> {
    const { method, op, path, signal } = question;
    const attempted = `WebHDFS ${op} ${path}`;
    for (let tries = 1; ; tries++) {
      const text = token?.value();
      if (text !== undefined) watch(text);
      const target = urlOf(url, question, text ?? { user: options.user });
      const response = await exchange.send({ method, url: target, attempted, signal });
      if (response.status === 200) return response;
      const error = errorOf(attempted, response);
      if (text === undefined || !(error instanceof HdfsTokenError)) throw error;
      // The file may have been replaced in between.
      if (tries === 1 && token?.value() !== text) continue;
      const what = `${error.message}. ${describeToken(text)}. Check HYBRIDGE_HDFS_DELEGATION_TOKEN`;
      throw new HdfsTokenError(`${what} or put a new token into its file`, { cause: error });
    }
  }

  return async function ask(question: Question): Promise<Response> {
    for (let passed = 1; ; passed++) {
      const at = current;
      const url = urls[at % urls.length] ?? "";
      try {
        return await askOne(url, question);
      } catch (error) {
        question.signal.throwIfAborted();
        if (!(error instanceof HdfsUnavailableError) || isSafeMode(error)) throw error;
        // The next request goes to another one, whoever asks it.
        if (current === at) current += 1;
        // What may have been done is not done twice: whoever asked looks what has become of it.
        const isHarmless = question.method === "GET" || isStandby(error) || isUnsent(error);
        if (passed < urls.length && isHarmless) continue;
        if (urls.length === 1 || !isHarmless) throw error;
        const names = urls.map((each) => new URL(each).host).join();
        const { op, path } = question;
        const what = `WebHDFS ${op} ${path}: no NameNode of ${names} is up and active`;
        throw new HdfsUnavailableError(what, { cause: error });
      }
    }
  };
}

/** The active one says so, and the others would not do it either. */
function isSafeMode(error: HdfsUnavailableError): boolean {
  return error.message.includes("SafeModeException");
}

/** @param who a delegation token, or the user that acts; never both */
function urlOf(
  url: string,
  { path, op, parameters }: Question,
  who: string | { readonly user: string },
): URL {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  const caller = typeof who === "string" ? { delegation: who } : { "user.name": who.user };
  const query = new URLSearchParams({ op, ...caller, ...parameters } as Record<string, string>);
  return new URL(`${url}/webhdfs/v1${encoded}?${query.toString()}`);
}

/** What went wrong, from any answer: a RemoteException, or just a status with some text. */
export function errorOf(attempted: string, { status, body }: Response) {
  const text = body.toString("utf8");
  const remote = /^\s*\{/.test(text) ? remoteExceptionOf(text) : undefined;
  if (remote && isTokenRefused(remote.exception, remote.message)) {
    const [firstLine = ""] = remote.message.split("\n");
    return new HdfsTokenError(`${attempted}: HDFS refuses the delegation token: ${firstLine}`);
  }
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
