import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { systemClock } from "@hybridge/core";
import { WebSocketServer, type WebSocket } from "ws";
import { jetstreamProtocol as protocol } from "../protocol.ts";
import { JetstreamInstance, type InstanceOptions, type Subscription } from "./instance.ts";

export interface JetstreamServer extends AsyncDisposable {
  /** An endpoint as the feed takes it. */
  readonly url: string;
  /** Where handles are looked up. */
  readonly apiUrl: string;
  readonly instance: JetstreamInstance;
}

/** A simulated instance over real WebSockets. @param handles the DIDs of those that can be looked up */
export async function serveJetstream(
  options: Omit<InstanceOptions, "clock" | "after">,
  handles: Readonly<Record<string, string>> = {},
): Promise<JetstreamServer> {
  const timers = new Set<NodeJS.Timeout>();
  const after = (ms: number, then: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      then();
    }, ms);
    timers.add(timer);
  };
  const instance = new JetstreamInstance({ ...options, clock: systemClock, after });
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const server = createServer((request, response) => {
    const { searchParams } = urlOf(request);
    const did = handles[searchParams.get("handle") ?? ""];
    const body = did === undefined ? protocol.handleNotFound : { did };
    response.writeHead(did === undefined ? 400 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { pathname, searchParams } = urlOf(request);
    const answer =
      pathname === protocol.path
        ? instance.subscribe(searchParams)
        : { status: 404, body: { error: "NotFound", message: pathname } };
    if ("status" in answer) refuse(socket, answer.status, answer.body);
    else sockets.handleUpgrade(request, socket, head, (client) => void serve(client, answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    apiUrl: `http://127.0.0.1:${port}`,
    instance,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function urlOf(request: IncomingMessage): URL {
  return new URL(request.url ?? "/", "http://localhost");
}

function refuse(socket: Duplex, status: number, body: object): void {
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

async function serve(client: WebSocket, subscription: Subscription): Promise<void> {
  client.on("message", () => client.close(protocol.dataFromClient.code));
  client.on("close", () => subscription.end("left", 0));
  client.on("error", () => undefined);
  for (;;) {
    const next = await subscription.next();
    if (typeof next === "string") {
      if (next === "reset") client.terminate();
      else client.close(protocol.goingAway.code, protocol.goingAway.reason);
      return;
    }
    if (next.length === 0) client.ping();
    // One after the other: who reads slowly is sent to slowly, and nothing is held for anybody.
    for (const frame of next) {
      await new Promise((resolve) => client.send(frame, { binary: false }, resolve));
    }
  }
}
