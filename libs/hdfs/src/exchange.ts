import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { causes, type TlsMaterial } from "@hybridge/core";
import { HdfsProtocolError, HdfsUnavailableError } from "./errors.ts";

export interface Request {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly url: URL;
  /** What is attempted, for messages. */
  readonly attempted: string;
  readonly body?: { readonly bytes: number; open(): Readable };
  readonly signal: AbortSignal;
}

export interface Response {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

export interface Timeouts {
  /** Without a byte in either direction: connecting, waiting for an answer, sending, reading. */
  readonly idleMs: number;
  /** For an answer after the whole request was sent, and for its body. */
  readonly answerMs: number;
}

export interface Exchange extends AsyncDisposable {
  send(request: Request): Promise<Response>;
}

/** Answers are metadata or small files; more than this is refused. */
const ANSWER_BYTES_MAX = 268_435_456;
/** Idle connections are closed before Jetty does it (hadoop.http.idle_timeout.ms, 60 s). */
const KEEP_ALIVE_MS = 5_000;

/**
 * One HTTP request and its whole answer, whatever its status. No phase waits for ever: connecting,
 * sending, waiting and reading each have a time limit. Redirects are not followed.
 *
 * @throws HdfsUnavailableError when there is no whole answer; its effect is then unknown
 */
export function createExchange(timeouts: Timeouts, tls?: () => TlsMaterial): Exchange {
  const options = { keepAlive: true, timeout: KEEP_ALIVE_MS, maxSockets: 32 };
  const http = new HttpAgent(options);
  const https = new HttpsAgent(options);
  return {
    send(request) {
      if (request.url.protocol !== "https:") return send(request, timeouts, { agent: http });
      // The agent keeps sockets apart by these, so that new certificates mean new connections.
      return send(request, timeouts, { agent: https, ...tls?.() });
    },
    [Symbol.asyncDispose]() {
      http.destroy();
      https.destroy();
      return Promise.resolve();
    },
  };
}

interface Way extends TlsMaterial {
  readonly agent: HttpAgent;
}

async function send(request: Request, timeouts: Timeouts, way: Way): Promise<Response> {
  request.signal.throwIfAborted();
  try {
    const message = await answer(request, timeouts, way);
    return await whole(message, request, timeouts);
  } catch (cause) {
    request.signal.throwIfAborted();
    if (cause instanceof HdfsProtocolError) throw cause;
    throw new HdfsUnavailableError(
      `${request.attempted}: no answer from ${request.url.host}: ${textOf(cause)}. ` +
        (isUntrusted(cause)
          ? "Check the certificates of both sides and HYBRIDGE_WEBHDFS_TLS_CA_FILE."
          : "Is it up and reachable from here?"),
      { cause },
    );
  }
}

function answer(
  { method, url, body, signal }: Request,
  { idleMs, answerMs }: Timeouts,
  way: Way,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const start = url.protocol === "https:" ? httpsRequest : httpRequest;
    const headers: Record<string, string> = { "content-length": String(body?.bytes ?? 0) };
    if (body) headers["content-type"] = "application/octet-stream";
    const outgoing = start(url, { method, headers, ...way, signal, timeout: idleMs });
    let timer: NodeJS.Timeout | undefined;
    outgoing.once("finish", () => {
      timer = setTimeout(
        () => outgoing.destroy(new Error(`no answer in ${answerMs} ms`)),
        answerMs,
      );
    });
    outgoing.once("timeout", () => outgoing.destroy(new Error(`nothing moved in ${idleMs} ms`)));
    outgoing.once("error", reject);
    outgoing.once("close", () => clearTimeout(timer));
    outgoing.once("response", (message) => {
      clearTimeout(timer);
      resolve(message);
    });
    if (!body) {
      outgoing.end();
      return;
    }
    const content = body.open();
    content.once("error", (error) => outgoing.destroy(error));
    outgoing.once("close", () => content.destroy());
    content.pipe(outgoing);
  });
}

async function whole(
  message: IncomingMessage,
  { attempted }: Request,
  { answerMs }: Timeouts,
): Promise<Response> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => {
    message.destroy(new Error(`the answer's body took more than ${answerMs} ms`));
  }, answerMs);
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) {
        throw new HdfsProtocolError(
          `${attempted}: an answer of more than ${ANSWER_BYTES_MAX} bytes`,
        );
      }
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  const contentType = message.headers["content-type"] ?? "";
  return { status: message.statusCode ?? 0, contentType, body: Buffer.concat(chunks) };
}

function isUntrusted(cause: unknown): boolean {
  return /CERT|SELF_SIGNED|^UNABLE_TO_|^ERR_TLS|^ERR_SSL|^EPROTO/.test(codeOf(cause));
}

/** Nothing was sent: no address, or nobody listens there. */
export function isUnsent(error: unknown): boolean {
  return [...causes(error)].some((cause) =>
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/.test(codeOf(cause)),
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === "" ? codeOf(error) : error.message;
}
