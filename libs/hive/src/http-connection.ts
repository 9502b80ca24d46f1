// Thrift over HTTP, as HiveServer2 speaks it with hive.server2.transport.mode=http: each call is a
// POST, its answer the body. @see https://cwiki.apache.org/confluence/display/Hive/Setting+Up+HiveServer2
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { UnavailableError, type HybridgeError } from "@hybridge/core";
import { ANSWER_BYTES_MAX, resultOf } from "./answers.ts";
import type { HiveAddress, HiveOptions } from "./api.ts";
import type { Connection } from "./connection.ts";
import { HiveLoginError, HiveProtocolError } from "./errors.ts";
import { messageSplitter } from "./message-splitter.ts";
import { addressText, credentialsOf, setUpError, tlsOptions } from "./server.ts";
import { decodeMessage, encodeMessage, messageType, struct, type Message } from "./thrift.ts";

/** Idle sockets are closed before the server does it (hive.server2.thrift.http.max.idle.time). */
const KEEP_ALIVE_MS = 10_000;

/** A `Connection` without a connection of its own: sockets come and go, cookies stay. */
export function httpConnection(options: HiveOptions, at: HiveAddress): Connection {
  const ended = new AbortController();
  const endListeners: (() => void)[] = [];
  const cookies = new Map<string, string>();
  const agent = agentOf(options);
  const where = urlOf(options, at);
  let sequence = 0;

  function end(error: HybridgeError): void {
    if (ended.signal.aborted) return;
    ended.abort(error);
    agent.destroy();
    for (const listener of endListeners) listener();
  }

  /** One exchange. The cookie that the server gave spares it a log-in; a stale one is dropped. */
  async function exchange(method: string, body: Buffer, limit: AbortSignal): Promise<Message> {
    for (;;) {
      const hasCookie = cookies.size > 0;
      const headers = { ...HEADERS, ...authorization(options, cookies) };
      const response = await post({ url: where, agent, headers, body, signal: limit });
      if (response.statusCode === 401 && hasCookie) {
        response.resume();
        cookies.clear();
        continue;
      }
      keepCookies(response, cookies);
      return await messageIn(response, method, where);
    }
  }

  return {
    at,
    sessionsEndWithIt: false,
    get open() {
      return !ended.signal.aborted;
    },
    async call(method, request, timeoutMs) {
      ended.signal.throwIfAborted();
      const id = (sequence = (sequence + 1) & 0x7fffffff);
      const body = encodeMessage(messageType.call, method, id, struct({ 1: request }));
      const limit = AbortSignal.timeout(timeoutMs);
      try {
        const message = await exchange(method, body, AbortSignal.any([ended.signal, limit]));
        if (message.name !== method || message.sequence !== id) {
          throw new HiveProtocolError(`${where.host} answers a ${message.name} to a ${method}`);
        }
        return resultOf(message, addressText(at));
      } catch (cause) {
        ended.signal.throwIfAborted();
        if (cause instanceof HiveProtocolError || cause instanceof HiveLoginError) throw cause;
        if (cause instanceof UnavailableError) throw cause;
        const server = `HiveServer2 at ${where.href}`;
        const error = limit.aborted
          ? new UnavailableError(`${server} did not answer ${method} in ${timeoutMs} ms`, { cause })
          : setUpError(`cannot reach ${server} for ${method}`, cause);
        end(error);
        throw error;
      }
    },
    destroy: () => end(new UnavailableError(`the connection to ${where.href} was ended`)),
    onEnd(listener) {
      if (ended.signal.aborted) listener();
      else endListeners.push(listener);
    },
  };
}

const HEADERS = {
  "content-type": "application/x-thrift",
  accept: "application/x-thrift",
  // hive.server2.xsrf.filter.enabled wants it of everybody who is not a browser.
  "x-xsrf-header": "true",
};

function urlOf({ tls, httpPath = "cliservice" }: HiveOptions, at: HiveAddress): URL {
  const scheme = tls ? "https" : "http";
  return new URL(`${scheme}://${addressText(at)}/${httpPath.replace(/^\/+/, "")}`);
}

function agentOf({ tls }: HiveOptions): HttpAgent {
  const common = { keepAlive: true, timeout: KEEP_ALIVE_MS, noDelay: true };
  return tls ? new HttpsAgent({ ...common, ...tlsOptions(tls) }) : new HttpAgent(common);
}

/** Basic log-in (RFC 7617) until there is a cookie; where the server asks for none it takes the user from it. */
function authorization(options: HiveOptions, cookies: ReadonlyMap<string, string>) {
  if (cookies.size > 0) {
    return { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
  }
  const { user, password } = credentialsOf(options);
  const login = Buffer.from(`${user}:${password}`).toString("base64");
  return { authorization: `Basic ${login}` };
}

/** hive.server2.auth, and what a load balancer adds so that calls come to the same server. */
function keepCookies({ headers, statusCode }: IncomingMessage, cookies: Map<string, string>) {
  if (statusCode !== 200) return;
  for (const cookie of headers["set-cookie"] ?? []) {
    const [, name = "", value = ""] = /^\s*([^=;\s]+)=([^;]*)/.exec(cookie) ?? [];
    if (name !== "") cookies.set(name, value);
  }
}

interface Post {
  readonly url: URL;
  readonly agent: HttpAgent;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly signal: AbortSignal;
}

function post({ url, agent, headers, body, signal }: Post): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const start = url.protocol === "https:" ? httpsRequest : httpRequest;
  const options = { method: "POST", agent, signal, headers: { ...headers } };
  start(url, options, resolve).once("error", reject).end(body);
  return promise;
}

/** The message in an answer. @throws HiveLoginError, UnavailableError, HiveProtocolError */
async function messageIn(response: IncomingMessage, method: string, url: URL): Promise<Message> {
  if (response.statusCode !== 200) throw await refusal(response, method, url);
  const splitter = messageSplitter(ANSWER_BYTES_MAX);
  const messages: Message[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      for (const message of splitter.push(chunk)) messages.push(decodeMessage(message));
    }
  } catch (cause) {
    if (!(cause instanceof HiveProtocolError)) throw cause;
    throw new HiveProtocolError(`cannot read what ${url.href} sends. ${HINT}`, { cause });
  }
  const [message] = messages;
  if (message && messages.length === 1) return message;
  throw new HiveProtocolError(`${url.href} answers ${method} with no Thrift message. ${HINT}`);
}

const HINT =
  "Is this the HTTP port of a HiveServer2, and is the path hive.server2.thrift.http.path?";
const TEXT_MAX = 300;

async function refusal(
  response: IncomingMessage,
  method: string,
  url: URL,
): Promise<HybridgeError> {
  const { statusCode: status = 0, headers } = response;
  let text = "";
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (text.length < TEXT_MAX * 10) text += chunk.toString();
  }
  const words = text.replaceAll(/<[^>]*>|[^\x20-\x7e]/g, " ").replaceAll(/\s+/g, " ");
  const what = `${url.href} answers ${method} with HTTP ${status} ${words.trim().slice(0, TEXT_MAX)}`;
  if (status === 401 || status === 403) {
    const wanted = headers["www-authenticate"];
    const hint = wanted === undefined ? "" : `; it wants ${wanted}`;
    return new HiveLoginError(`${what}. Check the user and the password${hint}`);
  }
  if (status >= 500 || status === 408 || status === 429) return new UnavailableError(what);
  return new HiveProtocolError(`${what}. ${HINT}`);
}
