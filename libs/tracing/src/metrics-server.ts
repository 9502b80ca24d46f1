import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError } from "@hybridge/core";
import type { Meters } from "./meters.ts";

/** Serves `GET /metrics`. Leaving the scope closes it. */
export interface MetricsServer extends AsyncDisposable {
  readonly url: string;
}

/**
 * Prometheus' text format, over HTTP.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @throws ConfigError when the port is not to be had
 */
export async function serveMetrics(
  meters: Meters,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    answer(meters, request, response).catch((error: unknown) => {
      response.writeHead(500, { "content-type": "text/plain" }).end(`${String(error)}\n`);
    });
  });
  server.requestTimeout = 10_000;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once("error", reject).listen(port, host, () => resolve(undefined));
  try {
    await promise;
  } catch (error) {
    const text = `metrics cannot be served on ${host}:${port}; choose another HYBRIDGE_METRICS_PORT, or 0 for a free one`;
    throw new ConfigError(text, { cause: error });
  }
  // Nobody waits for it: a process ends while it still listens.
  server.unref();
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${taken}/metrics`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  meters: Meters,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  if (pathname !== "/metrics") {
    response.writeHead(404, { "content-type": "text/plain" }).end("there is only /metrics\n");
    return;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
    return;
  }
  const registry = await meters.read();
  const text = await registry.metrics();
  response.writeHead(200, { "content-type": registry.contentType });
  response.end(request.method === "HEAD" ? "" : text);
}
