import { hash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError, describeError, type Emit } from "@hybridge/core";
import { pushListening } from "../../events.ts";
import { splitLines } from "../files/lines.ts";
import type { Feed, FeedItem, FeedStatus } from "../feed.ts";
import type { Sink } from "../sink.ts";

export interface PushOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Asked at each request: it may change while the process runs. */
  readonly token: () => string;
  /** Bytes of a body at most. */
  readonly bodyBytesMax: number;
  /** A longer line is not held; it becomes a dead letter. */
  readonly postBytesMax: number;
  readonly emit: Emit;
}

/** The feed has nothing to read again: who is not answered sends again. */
const NO_CURSOR = "-";
const LINES_MAX = 500;
const RETRY_AFTER_S = 5;

/**
 * Takes posts over HTTP: `POST /posts` with `authorization: Bearer <token>`, a post a line. The answer 200
 * comes when all of them are in the spool, forced to the disk. After any other answer, or none, the
 * same request may be sent again: what was kept of it already is known by its ids.
 */
export function openPush(options: PushOptions): Feed {
  let status: FeedStatus = { state: "IDLE", detail: "" };
  return {
    name: "push",
    source: "push",
    whenFull: "drop",
    status: () => status,
    async run(sink, signal) {
      const server = createServer((request, response) => {
        void answer(options, sink as Sink, request, signal)
          .catch((error: unknown): Answer => ({ code: 503, body: { error: describeError(error) } }))
          .then((answered) => reply(response, answered));
      });
      const address = await listen(server, options);
      options.emit(pushListening(address));
      status = { state: "STREAMING", detail: `listening on ${address}` };
      try {
        await once(signal, "abort");
      } finally {
        status = { state: "IDLE", detail: "" };
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

/** @returns the URL to post to */
async function listen(server: Server, { host, port }: PushOptions): Promise<string> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new ConfigError(
      `cannot listen on ${host}:${port} for posts: check HYBRIDGE_PUSH_HOST and HYBRIDGE_PUSH_PORT`,
      { cause: error },
    );
  }
  const at = server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${at.port}/posts`;
}

interface Answer {
  readonly code: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

async function answer(
  options: PushOptions,
  sink: Sink,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<Answer> {
  const refusal = refusalOf(request, options.token());
  if (refusal) return refusal;
  let lines = 0;
  let records = 0;
  try {
    for await (const items of itemsOf(request, options)) {
      lines += items.length;
      const kept = await sink.append({ items, cursor: NO_CURSOR, sync: true }, signal);
      if (!kept.kept) {
        const error = "the spool is full; send all of it again later";
        return { code: 503, body: { error }, headers: { "retry-after": String(RETRY_AFTER_S) } };
      }
      records += kept.records;
    }
  } catch (error) {
    if (!(error instanceof BodyTooLargeError)) throw error;
    return { code: 413, body: { error: `a body has ${options.bodyBytesMax} bytes at most` } };
  }
  return { code: 200, body: { lines, records } };
}

function refusalOf({ url, method, headers }: IncomingMessage, token: string): Answer | undefined {
  if (url !== "/posts") return { code: 404, body: { error: "post to /posts" } };
  if (method !== "POST") {
    return { code: 405, body: { error: "only POST is understood" }, headers: { allow: "POST" } };
  }
  if (isAllowed(headers.authorization, token)) return undefined;
  const error = "the token is missing or wrong";
  return { code: 401, body: { error }, headers: { "www-authenticate": "Bearer" } };
}

class BodyTooLargeError extends Error {}

/** The lines of a body, some hundred at a time. */
async function* itemsOf(
  request: IncomingMessage,
  { bodyBytesMax, postBytesMax }: PushOptions,
): AsyncGenerator<FeedItem[]> {
  for await (const lines of splitLines(bounded(request, bodyBytesMax), postBytesMax + 1)) {
    const filled = lines.filter(({ bytes }) => bytes.toString("latin1").trim() !== "");
    for (let first = 0; first < filled.length; first += LINES_MAX) {
      yield filled.slice(first, first + LINES_MAX).map(({ bytes }) => ({ bytes }));
    }
  }
}

async function* bounded(chunks: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new BodyTooLargeError();
    yield chunk;
  }
}

/** Digests have one length, and comparing them tells nothing of the token. */
function isAllowed(header: string | undefined, token: string): boolean {
  const given = /^Bearer (.+)$/i.exec(header ?? "")?.[1] ?? "";
  return timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", token, "buffer"));
}

function reply(response: ServerResponse, { code, body, headers }: Answer): void {
  response.writeHead(code, { "content-type": "application/json", ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}
