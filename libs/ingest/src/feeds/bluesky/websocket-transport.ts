import type { IncomingMessage } from "node:http";
import { describeError } from "@hybridge/core";
import { WebSocket } from "ws";
import { z } from "zod";
import { HandleError, JetstreamConnectionError, JetstreamRefusedError } from "./errors.ts";
import type { JetstreamConnection, JetstreamTransport } from "./jetstream-transport.ts";

export interface WebSocketTransportOptions {
  /** Of the API that handles are looked up at. */
  readonly apiUrl: string;
  /** Of one frame. */
  readonly frameBytesMax: number;
}

const HANDSHAKE_MS = 20_000;
const LOOK_UP_MS = 20_000;
/** Frames that wait for the feed, above which the socket is read no further. */
const FRAMES_MAX = 256;
/** Of an answer that is no upgrade. */
const BODY_BYTES_MAX = 65_536;

/**
 * Jetstream by ws. Node's own WebSocket can neither pause nor say what the answer was when a
 * subscription is refused, and Jetstream says there that a cursor is too old.
 */
export function openWebSocketTransport(options: WebSocketTransportOptions): JetstreamTransport {
  return {
    connect: (url, signal) => connect(url, options, signal),
    resolveHandle: (handle, signal) => resolveHandle(handle, options, signal),
  };
}

async function connect(
  url: string,
  { frameBytesMax }: WebSocketTransportOptions,
  signal: AbortSignal,
): Promise<JetstreamConnection> {
  signal.throwIfAborted();
  const socket = new WebSocket(url, {
    handshakeTimeout: HANDSHAKE_MS,
    maxPayload: frameBytesMax,
    perMessageDeflate: false,
    // A frame that is not UTF-8 becomes a dead letter behind the sink, not the end of a connection.
    skipUTF8Validation: true,
  });
  const incoming = new Incoming(socket);
  const stop = () => socket.terminate();
  signal.addEventListener("abort", stop, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", stop));
  try {
    await opened(socket, url);
  } catch (error) {
    socket.terminate();
    signal.throwIfAborted();
    throw error;
  }
  return { frames: incoming.frames(signal), close: stop };
}

function opened(socket: WebSocket, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("unexpected-response", (_request, response) => {
      void refusal(response, url).then(reject);
    });
    socket.once("error", (cause) => {
      const { host } = new URL(url);
      const message = `no connection to Jetstream at ${host}: ${describeError(cause)}`;
      reject(new JetstreamConnectionError(message, { cause }));
    });
  });
}

const envelope = z.object({ error: z.string().default(""), message: z.string().default("") });

async function refusal(response: IncomingMessage, url: string): Promise<JetstreamRefusedError> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) break;
      chunks.push(chunk);
    }
  } catch {
    // What came of the answer has to do.
  }
  const { error, message } = envelopeIn(Buffer.concat(chunks).toString("utf8"));
  const said = [error, message].filter((part) => part !== "").join(": ") || "nothing more";
  return new JetstreamRefusedError(
    `Jetstream at ${new URL(url).host} answered ${response.statusCode ?? "nothing"} (${said})`,
    { reason: error, detail: message },
  );
}

function envelopeIn(text: string): z.output<typeof envelope> {
  try {
    return envelope.parse(JSON.parse(text));
  } catch {
    return { error: "", message: text.slice(0, 200) };
  }
}

/** What came and was not asked for yet. */
class Incoming {
  readonly #socket: WebSocket;
  #frames: Buffer[] = [];
  #isAlive = false;
  #end: JetstreamConnectionError | undefined;
  #wake: () => void = () => undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      this.#frames.push(data);
      if (this.#frames.length >= FRAMES_MAX) socket.pause();
      this.#wake();
    });
    socket.on("ping", () => {
      this.#isAlive = true;
      this.#wake();
    });
    let failure: Error | undefined;
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", (code, reason) => {
      const said = [String(code), reason.toString("utf8")].filter((part) => part !== "").join(" ");
      const why = failure ? describeError(failure) : said;
      const message = `the connection to Jetstream ended: ${why}`;
      this.#end = new JetstreamConnectionError(message, { cause: failure });
      this.#wake();
    });
  }

  async *frames(signal: AbortSignal): AsyncGenerator<readonly Buffer[]> {
    try {
      for (;;) {
        if (this.#frames.length > 0 || this.#isAlive) {
          const frames = this.#frames;
          this.#frames = [];
          this.#isAlive = false;
          this.#socket.resume();
          yield frames;
        } else if (this.#end) {
          signal.throwIfAborted();
          throw this.#end;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#socket.terminate();
    }
  }
}

const identity = z.object({ did: z.string().startsWith("did:") });

async function resolveHandle(
  handle: string,
  { apiUrl }: WebSocketTransportOptions,
  signal: AbortSignal,
): Promise<string> {
  const url = `${apiUrl}/xrpc/com.atproto.identity.resolveHandle?handle=${encodeURIComponent(handle)}`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOK_UP_MS)]);
  let answer: Response;
  try {
    answer = await fetch(url, { signal: limit });
    if (answer.ok) return identity.parse(await answer.json()).did;
  } catch (cause) {
    signal.throwIfAborted();
    const message = `the author ${handle} could not be looked up at ${apiUrl}: ${describeError(cause)}; its DID does without`;
    throw new HandleError(message, "backoff", { cause });
  }
  const isNobody = answer.status === 400;
  throw new HandleError(
    `${apiUrl} answered ${answer.status} when it was asked who ${handle} is${isNobody ? ": check the handle" : ""}`,
    isNobody ? "never" : "backoff",
  );
}
