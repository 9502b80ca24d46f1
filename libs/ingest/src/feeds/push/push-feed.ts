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
        answer(options, sink as Sink, request, response, signal).catch((error: unknown) => {
          reply(response, 503, { error: describeError(error) });
        });
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

async function answer(
  options: PushOptions,
  sink: Sink,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  if (request.url !== "/posts") return reply(response, 404, { error: "post to /posts" });
  if (request.method !== "POST") {
    response.setHeader("allow", "POST");
    return reply(response, 405, { error: "only POST is understood" });
  }
  if (!isAllowed(request.headers.authorization, options.token())) {
    response.setHeader("www-authenticate", "Bearer");
    return reply(response, 401, { error: "the token is missing or wrong" });
  }
  let lines = 0;
  let records = 0;
  try {
    for await (const items of itemsOf(request, options)) {
      lines += items.length;
      const kept = await sink.append({ items, cursor: NO_CURSOR, sync: true }, signal);
      if (!kept.kept) {
        response.setHeader("retry-after", String(RETRY_AFTER_S));
        return reply(response, 503, { error: "the spool is full; send all of it again later" });
      }
      records += kept.records;
    }
  } catch (error) {
    if (!(error instanceof BodyTooLargeError)) throw error;
    return reply(response, 413, { error: `a body has ${options.bodyBytesMax} bytes at most` });
  }
  reply(response, 200, { lines, records });
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

function reply(response: ServerResponse, code: number, body: object): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(code, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}
