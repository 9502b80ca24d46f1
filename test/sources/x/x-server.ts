import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "@hybridge/core";
import {
  XSimulator,
  type XListener,
  type XRequest,
  type XSimulatorOptions,
} from "./x-simulator.ts";

export interface XServer extends AsyncDisposable {
  /** What the feed takes for https://api.x.com. */
  readonly url: string;
  readonly simulator: XSimulator;
}

/** The simulated X over real HTTP. @param cut the pieces in which bytes of the stream are sent */
export async function serveX(
  options: Omit<XSimulatorOptions, "clock" | "after">,
  cut: (bytes: Buffer) => readonly Buffer[] = (bytes) => [bytes],
): Promise<XServer> {
  const timers = new Set<NodeJS.Timeout>();
  const after = (ms: number, then: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      then();
    }, ms);
    timers.add(timer);
  };
  const simulator = new XSimulator({ ...options, clock: systemClock, after });
  const server = createServer((request, response) => {
    void answer(simulator, request, response, cut);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    simulator,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  simulator: XSimulator,
  incoming: IncomingMessage,
  response: ServerResponse,
  cut: (bytes: Buffer) => readonly Buffer[],
): Promise<void> {
  const request = await requestOf(incoming);
  const isStream = request.method === "GET" && request.path === "/2/tweets/search/stream";
  const result = isStream
    ? simulator.connect(request, listenerOf(response, cut))
    : simulator.request(request);
  if ("status" in result) {
    response.writeHead(result.status, result.headers).end(JSON.stringify(result.body));
    return;
  }
  response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).flushHeaders();
  response.once("close", () => result.left(true));
}

function listenerOf(
  response: ServerResponse,
  cut: (bytes: Buffer) => readonly Buffer[],
): XListener {
  return {
    // Each write is a chunk of its own, and reaches the client as one.
    write: (bytes) => {
      for (const piece of cut(bytes)) if (piece.length > 0) response.write(piece);
    },
    end: () => response.end(),
    reset: () => response.socket?.resetAndDestroy(),
  };
}

async function requestOf(incoming: IncomingMessage): Promise<XRequest> {
  const { pathname: path, searchParams: query } = new URL(incoming.url ?? "/", "http://localhost");
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  const isJson = incoming.headers["content-type"]?.includes("json") ?? false;
  return {
    method: incoming.method ?? "",
    path,
    query,
    authorization: incoming.headers.authorization ?? "",
    body: isJson ? JSON.parse(text) : text,
  };
}
