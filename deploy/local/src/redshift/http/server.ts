import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { UnavailableError, type Emit } from "@hybridge/core";
import { ApiError, validation } from "./errors.ts";
import { inputs, parseInput, type Operation } from "./input.ts";
import { cancel, describe, list, result, submit, type Answer, type Service } from "./operations.ts";

const TARGET = "RedshiftData.";
/** 40 statements of 100 kB and what JSON adds. */
const BODY_BYTES_MAX = 10 * 1024 * 1024;
const CONTENT_TYPE = "application/x-amz-json-1.1";

export interface HttpServer extends AsyncDisposable {
  /** `http://host:port` */
  readonly url: string;
}

/** Serves AWS JSON 1.1 over POST, and GET /health for whoever waits for the process. */
export async function startHttpServer(
  options: { readonly host: string; readonly port: number; readonly emit: Emit },
  service: Service,
): Promise<HttpServer> {
  const closing = new AbortController();
  const server = createServer((request, response) => {
    void respond(service, options.emit, closing.signal, request, response);
  });
  await listen(server, options.host, options.port);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    async [Symbol.asyncDispose]() {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 500).unref();
      await closed;
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new UnavailableError(
              `port ${port} on ${host} is in use; set HYBRIDGE_REDSHIFT_PORT to another`,
              { cause: error },
            )
          : error,
      );
    });
    server.listen(port, host, resolve);
  });
}

async function respond(
  service: Service,
  emit: Emit,
  closing: AbortSignal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const requestId = randomUUID();
  response.setHeader("x-amzn-RequestId", requestId);
  try {
    if (request.method === "GET" && request.url === "/health") {
      send(response, 200, { status: "SERVING" });
      return;
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([closing, gone.signal]);
    const operation = operationOf(request);
    const body = await readBody(request);
    send(response, 200, await call(service, operation, body, signal));
  } catch (error) {
    if (error instanceof ApiError) {
      sendError(response, error);
      return;
    }
    emit({
      name: "request.failed",
      level: "error",
      message: `request ${requestId} failed for a reason of the endpoint's own`,
      error,
    });
    sendError(response, new ApiError("InternalServerException", 500, "Internal error"));
  }
}

async function call(
  service: Service,
  operation: Operation,
  body: unknown,
  signal: AbortSignal,
): Promise<Answer> {
  switch (operation) {
    case "ExecuteStatement":
    case "BatchExecuteStatement":
      return submit(service, parseInput(operation, body), signal);
    case "DescribeStatement":
      return describe(service, parseInput(operation, body), signal);
    case "CancelStatement":
      return cancel(service, parseInput(operation, body));
    case "GetStatementResult":
      return result(service, parseInput(operation, body), signal);
    case "ListStatements":
      return list(service, parseInput(operation, body));
  }
}

function operationOf(request: IncomingMessage): Operation {
  const target = request.headers["x-amz-target"];
  if (request.method !== "POST" || typeof target !== "string" || !target.startsWith(TARGET)) {
    throw new ApiError(
      "UnknownOperationException",
      400,
      "POST with the header X-Amz-Target: RedshiftData.<Operation> is wanted",
    );
  }
  const authorization = request.headers.authorization ?? "";
  if (!authorization.startsWith("AWS4-HMAC-SHA256 ")) {
    throw new ApiError("MissingAuthenticationTokenException", 403, "Missing Authentication Token");
  }
  // Signatures are not checked, but a request signed for another service is a client's mistake.
  if (!authorization.includes("/redshift-data/aws4_request")) {
    throw new ApiError(
      "InvalidSignatureException",
      403,
      "Credential should be scoped to correct service: 'redshift-data'.",
    );
  }
  const operation = target.slice(TARGET.length);
  if (!Object.hasOwn(inputs, operation)) {
    throw new ApiError(
      "UnknownOperationException",
      400,
      `${operation} is not an operation of this development endpoint`,
    );
  }
  return operation as Operation;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw validation("The request is larger than 10 MB");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    throw new ApiError("SerializationException", 400, "The body is not JSON");
  }
}

function send(response: ServerResponse, status: number, answer: Answer): void {
  const text = typeof answer === "string" ? answer : JSON.stringify(answer);
  if (response.destroyed) return;
  response.writeHead(status, {
    "content-type": CONTENT_TYPE,
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

function sendError(response: ServerResponse, error: ApiError): void {
  response.setHeader("x-amzn-ErrorType", error.type);
  send(response, error.status, {
    __type: error.type,
    message: error.message,
    Message: error.message,
    ...error.fields,
  });
}
