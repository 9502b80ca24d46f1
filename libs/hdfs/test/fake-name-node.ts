import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a NameNode or DataNode answers to one operation; "hang" answers never. */
export type Answer =
  "hang" | "cut" | { readonly status: number; readonly body?: unknown; readonly type?: string };

export interface FakeNameNode extends AsyncDisposable {
  readonly url: string;
  readonly requests: string[];
}

/**
 * An HTTP server that answers as a NameNode does, one function for everything. `data` in the
 * operation marks the request to the DataNode.
 */
export async function fakeNameNode(
  answer: (op: string, url: URL) => Answer,
): Promise<FakeNameNode> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://fake");
    const isData = url.pathname.startsWith("/data");
    const op = `${url.searchParams.get("op") ?? ""}${isData ? " data" : ""}`;
    requests.push(`${request.method ?? ""} ${request.url ?? ""}`);
    request.resume();
    const reply = answer(op, url);
    if (reply === "hang") return;
    if (reply === "cut") {
      request.socket.destroy();
      return;
    }
    whenRead(request, () => send(response, reply));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** `{"Location": ...}` that points back to the same server, as noredirect=true asks for. */
export function locationOn(url: URL, node: () => FakeNameNode): Answer {
  const op = url.searchParams.get("op") ?? "";
  return { status: 200, body: { Location: `${node().url}/data?op=${op}` } };
}

export function remoteException(status: number, exception: string, message = "no"): Answer {
  const javaClassName = `org.apache.hadoop.${exception}`;
  return { status, body: { RemoteException: { exception, javaClassName, message } } };
}

function whenRead(request: IncomingMessage, then: () => void): void {
  if (request.complete) then();
  else request.once("end", then);
}

function send(response: ServerResponse, reply: Exclude<Answer, "hang" | "cut">): void {
  const { status, body, type = "application/json" } = reply;
  response.writeHead(status, { "content-type": type });
  response.end(body === undefined || typeof body === "string" ? body : JSON.stringify(body));
}
