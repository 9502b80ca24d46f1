import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  credentials,
  makeGenericClientConstructor,
  status,
  type Client,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import {
  HybridgeError,
  readConfig,
  UnavailableError,
  type ErrorKind,
  type HybridgeEvent,
} from "@hybridge/core";
import {
  MirrorControlServiceClient,
  MirrorControlServiceService,
} from "@hybridge/proto/hybridge/mirror/v1/mirror_control_service";
import {
  QueryServiceClient,
  QueryServiceService,
  type ExecuteResponse,
  type GetStatusResponse,
} from "@hybridge/proto/hybridge/query/v1/query_service";
import { protoPath } from "grpc-health-check";
import {
  callServerStream,
  callUnary,
  createClient,
  RpcCallError,
  rpcSettings,
  serverStream,
  startRpcServer,
  unary,
  type Call,
} from "../src/index.ts";
import { statusOf } from "../src/status.ts";
import { DATA, RST_STREAM, startHoldingProxy } from "./holding-proxy.ts";

class TornError extends HybridgeError {
  readonly code = "TORN";
  readonly retry = "never";
}

const empty: GetStatusResponse = {
  state: "RUNNING",
  reason: "",
  engines: [],
  queries: 0n,
  failed: 0n,
};

async function serve(handlers: {
  getStatus?: (call: Call) => Promise<GetStatusResponse>;
  execute?: (call: Call) => AsyncIterable<ExecuteResponse>;
  env?: Record<string, string>;
}) {
  const events: HybridgeEvent[] = [];
  const server = await startRpcServer({
    config: readConfig(rpcSettings, handlers.env ?? {}),
    services: [
      {
        definition: QueryServiceService,
        implementation: {
          getStatus: unary((_, call) => handlers.getStatus?.(call) ?? Promise.resolve(empty)),
          execute: serverStream((_, call) => handlers.execute?.(call) ?? nothing()),
        },
      },
    ],
    emit: (event) => events.push(event),
  });
  return { ...server, events };
}

const mirrorControl = {
  getStatus: unary(() =>
    Promise.resolve({ state: "", reason: "", partitions: [], records: 0n, bytes: 0n, rate: 0 }),
  ),
  pause: unary(() => Promise.resolve({ partitions: [] })),
  resume: unary(() => Promise.resolve({ partitions: [] })),
  translateOffset: unary(() => Promise.resolve({})),
};

async function* nothing(): AsyncGenerator<ExecuteResponse> {}

const row = (text: string): ExecuteResponse => ({
  part: { $case: "schema", schema: { columns: [{ name: text, engineType: "string", type: 5 }] } },
});
const query = { engine: 1, sql: "select 1", parameters: {}, maxRows: 0n } as const;

test("a unary call answers, and every call is counted", async () => {
  await using server = await serve({});
  const client = createClient(QueryServiceClient, server.address);
  const answer = await callUnary(client.getStatus.bind(client), {}, { deadlineMs: 5_000 });
  client.close();
  assert.equal(answer.state, "RUNNING");
  assert.equal(server.events[0]?.measurements?.[0]?.labels?.["code"], "OK");
});

test("a HybridgeError travels with its code and its advice", async () => {
  await using server = await serve({
    getStatus: () => Promise.reject(new TornError("the page is torn \ud800")),
  });
  const client = createClient(QueryServiceClient, server.address);
  const failure = await callUnary(client.getStatus.bind(client), {}, { deadlineMs: 5_000 }).catch(
    (error: unknown) => error,
  );
  client.close();
  assert.ok(failure instanceof RpcCallError);
  assert.equal(failure.status, "FAILED_PRECONDITION");
  assert.equal(failure.reason, "TORN");
  assert.equal(failure.retry, "never");
  assert.match(failure.message, /failed with FAILED_PRECONDITION: the page is torn/);
});

test("what may be tried again is UNAVAILABLE", async () => {
  await using server = await serve({
    getStatus: () => Promise.reject(new UnavailableError("away")),
  });
  const client = createClient(QueryServiceClient, server.address);
  await assert.rejects(
    callUnary(client.getStatus.bind(client), {}, { deadlineMs: 5_000 }),
    (error: RpcCallError) => error.status === "UNAVAILABLE" && error.retry === "backoff",
  );
  client.close();
});

class KnownError extends HybridgeError {
  readonly code = "KNOWN";
  readonly retry = "backoff";
  override readonly kind: ErrorKind;

  constructor(kind: ErrorKind) {
    super("known");
    this.kind = kind;
  }
}

test("the kind of an error goes before what its retry says", () => {
  const codeOf = (kind: ErrorKind) => status[statusOf(new KnownError(kind)).code];
  assert.deepEqual((["invalid", "timeout", "exhausted", "internal"] as const).map(codeOf), [
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
  ]);
});

test("a call without a deadline is refused", async () => {
  await using server = await serve({});
  const client = createClient(QueryServiceClient, server.address);
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.getStatus({}, resolve);
  });
  client.close();
  assert.equal(error?.code, status.INVALID_ARGUMENT);
  assert.match(error.details, /no deadline/);
});

test("the deadline and the caller's cancel reach the handler", async () => {
  const reasons: string[] = [];
  let started = Promise.withResolvers<undefined>();
  await using server = await serve({
    getStatus: async ({ signal }) => {
      started.resolve(undefined);
      await once(signal, "abort");
      reasons.push((signal.reason as DOMException).name);
      throw signal.reason;
    },
  });
  const client = createClient(QueryServiceClient, server.address);
  const late = callUnary(client.getStatus.bind(client), {}, { deadlineMs: 100 });
  await assert.rejects(late, (error: RpcCallError) => error.status === "DEADLINE_EXCEEDED");
  started = Promise.withResolvers<undefined>();
  const controller = new AbortController();
  const limits = { deadlineMs: 60_000, signal: controller.signal };
  const cancelled = callUnary(client.getStatus.bind(client), {}, limits);
  await started.promise;
  controller.abort();
  await assert.rejects(cancelled, { name: "AbortError" });
  while (reasons.length < 2) await new Promise((resolve) => setImmediate(resolve));
  client.close();
  assert.equal(reasons[1], "AbortError");
});

test("a cancel in one packet with its request is not missed", { timeout: 30_000 }, async () => {
  let calls = 0;
  const reasons: string[] = [];
  await using server = await serve({
    getStatus: async ({ signal }) => {
      calls += 1;
      if (calls !== 2) return empty;
      if (!signal.aborted) await once(signal, "abort");
      reasons.push((signal.reason as DOMException).name);
      throw signal.reason;
    },
  });
  await using proxy = await startHoldingProxy(server.address);
  const client = createClient(QueryServiceClient, proxy.address);
  const getStatus = client.getStatus.bind(client);
  // Opens the connection, so that the next call is nothing but its own frames.
  await callUnary(getStatus, {}, { deadlineMs: 20_000 });
  const controller = new AbortController();
  proxy.hold();
  const call = callUnary(getStatus, {}, { deadlineMs: 600_000, signal: controller.signal });
  await proxy.holds(DATA);
  controller.abort();
  await assert.rejects(call, { name: "AbortError" });
  await proxy.holds(RST_STREAM);
  proxy.release();
  // On the same connection: what came before it was dealt with.
  await callUnary(getStatus, {}, { deadlineMs: 20_000 });
  while (reasons.length === 0) await new Promise((resolve) => setImmediate(resolve));
  client.close();
  assert.deepEqual([calls, reasons], [3, ["AbortError"]]);
});

test("a stream stops producing for a caller that does not read, and ends when it leaves", async () => {
  let produced = 0;
  const ended = Promise.withResolvers<undefined>();
  await using server = await serve({
    execute: async function* () {
      await Promise.resolve();
      try {
        for (; produced < 10_000; produced++) yield row("x".repeat(64 * 1024));
      } finally {
        ended.resolve(undefined);
      }
    },
  });
  const client = createClient(QueryServiceClient, server.address);
  const stream = callServerStream(client.execute.bind(client), query, { deadlineMs: 60_000 });
  const first = await stream.next();
  assert.equal(first.value?.part?.$case, "schema");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(produced < 1_000, `${produced} messages of 64 KB were made for one that was read`);
  await stream.return();
  await ended.promise;
  client.close();
});

test("a stream that fails delivers what came before, then the status", async () => {
  await using server = await serve({
    execute: async function* () {
      yield await Promise.resolve(row("a"));
      throw new TornError("torn after one");
    },
  });
  const client = createClient(QueryServiceClient, server.address);
  const seen: unknown[] = [];
  await assert.rejects(
    async () => {
      const limits = { deadlineMs: 5_000 };
      for await (const message of callServerStream(client.execute.bind(client), query, limits)) {
        seen.push(message);
      }
    },
    (error: RpcCallError) => error.reason === "TORN",
  );
  client.close();
  assert.equal(seen.length, 1);
});

test("the token guards every call but health", async () => {
  await using server = await serve({ env: { HYBRIDGE_RPC_TOKEN: "s3cret" } });
  const call = async (token?: string) => {
    const client = createClient(QueryServiceClient, server.address, { token });
    const method = client.getStatus.bind(client);
    const answer = callUnary(method, {}, { deadlineMs: 5_000 });
    return answer
      .then(
        () => "OK",
        (error: unknown) => (error as RpcCallError).status,
      )
      .finally(() => {
        client.close();
      });
  };
  assert.equal(await call("s3cret"), "OK");
  assert.equal(await call("s3creT"), "UNAUTHENTICATED");
  assert.equal(await call(), "UNAUTHENTICATED");
  const health = healthClient(server.address);
  assert.equal(await health.check(), "NOT_SERVING");
  server.setServing(true);
  assert.equal(await health.check(), "SERVING");
  health.close();
});

test("a token has a scope, and calls that may change something are logged with their caller", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-rpc-"));
  const file = join(dir, "tokens");
  writeFileSync(file, "dashboard:read:look\nalice:control:change\n");
  const events: HybridgeEvent[] = [];
  await using server = await startRpcServer({
    config: readConfig(rpcSettings, { HYBRIDGE_RPC_TOKENS_FILE: file }),
    services: [{ definition: MirrorControlServiceService, implementation: mirrorControl }],
    emit: (event) => events.push(event),
  });
  const call = async (token: string, method: "pause" | "getStatus") => {
    const client = createClient(MirrorControlServiceClient, server.address, { token });
    const request = { sourceTopic: "hybrid", partitions: [] };
    const limits = { deadlineMs: 5_000 };
    const answer =
      method === "pause"
        ? callUnary(client.pause.bind(client), request, limits)
        : callUnary(client.getStatus.bind(client), {}, limits);
    return answer
      .then(
        () => "OK",
        (error: unknown) => (error as RpcCallError).status,
      )
      .finally(() => {
        client.close();
      });
  };
  const control = () => events.filter(({ name }) => name === "rpc.control");
  assert.equal(await call("look", "getStatus"), "OK");
  assert.equal(await call("change", "getStatus"), "OK");
  assert.equal(await call("other", "getStatus"), "UNAUTHENTICATED");
  assert.deepEqual(control(), []);
  assert.equal(await call("look", "pause"), "PERMISSION_DENIED");
  assert.equal(await call("change", "pause"), "OK");
  assert.equal(await call("other", "pause"), "UNAUTHENTICATED");
  const callers = control().map(
    ({ fields }) => `${String(fields?.["caller"])} ${String(fields?.["code"])}`,
  );
  assert.equal(callers.length, 3);
  assert.match(callers[0] ?? "", /^dashboard from 127\.0\.0\.1:\d+ PERMISSION_DENIED$/);
  assert.match(callers[1] ?? "", /^alice from 127\.0\.0\.1:\d+ OK$/);
  assert.match(callers[2] ?? "", /^unknown token from 127\.0\.0\.1:\d+ UNAUTHENTICATED$/);
  assert.doesNotMatch(JSON.stringify(events), /look"|change"/);
  writeFileSync(file, "dashboard:read:look\n");
  assert.equal(await call("change", "getStatus"), "UNAUTHENTICATED");
  rmSync(dir, { recursive: true });
});

test("a malformed list of tokens is refused at the start, without repeating it", async () => {
  await assert.rejects(serve({ env: { HYBRIDGE_RPC_TOKENS: "a:read:x1,b:write:s3cret" } }), {
    code: "CONFIG",
    message: "HYBRIDGE_RPC_TOKENS: entry 2 is not name:scope:token, with scope read or control",
  });
});

test("stopping does not wait for an open health watch", async () => {
  await using server = await serve({});
  const health = healthClient(server.address);
  const watching = health.watch();
  await once(watching, "data");
  const ended = once(watching, "error");
  await server[Symbol.asyncDispose]();
  await ended;
  health.close();
});

test("a port in use is a named error", async () => {
  await using server = await serve({});
  const port = server.address.split(":")[1] ?? "";
  await assert.rejects(serve({ env: { HYBRIDGE_RPC_PORT: port } }), {
    code: "RPC_LISTEN",
    message: /cannot listen on 127.0.0.1/,
  });
});

test("half of the TLS settings are refused", async () => {
  await assert.rejects(serve({ env: { HYBRIDGE_RPC_TLS_CERT_FILE: "a.pem" } }), { code: "CONFIG" });
});

/** The health service as a stranger calls it, without deadlines. */
function healthClient(address: string) {
  const service = loadSync(protoPath, { enums: String })["grpc.health.v1.Health"];
  const Health = makeGenericClientConstructor(service as ServiceDefinition, "Health");
  const client = new Health(address, credentials.createInsecure()) as unknown as Client & {
    check(request: object, done: (error: Error | null, answer: { status: string }) => void): void;
    watch(request: object): NodeJS.EventEmitter;
  };
  return {
    check: () =>
      new Promise<string>((resolve, reject) => {
        client.check({}, (error, answer) => {
          if (error) reject(error);
          else resolve(answer.status);
        });
      }),
    watch: () => client.watch({}),
    close: () => {
      client.close();
    },
  };
}
