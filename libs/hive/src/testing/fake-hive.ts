import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { messageSplitter } from "../message-splitter.ts";
import { frame, saslMessage } from "../sasl.ts";
import {
  bool,
  bytes,
  decodeMessage,
  encodeMessage,
  i32,
  isMap,
  isStruct,
  messageType,
  struct,
  textOf,
  type Decoded,
  type Encoded,
  type Message,
} from "../thrift.ts";
import { encodeRows, encodeSchema, type FakeColumn, type FakeValue } from "./fake-rows.ts";

/** What the fake does with one statement. */
export type FakeAnswer =
  | { readonly columns: readonly FakeColumn[]; readonly rows: readonly (readonly FakeValue[])[] }
  /** A statement without rows. */
  | { readonly done: true }
  | {
      readonly fails: "compile" | "run";
      readonly sqlState: string;
      readonly vendorCode: number;
      readonly message: string;
    }
  /** Never gets further than this. */
  | { readonly hangs: "compile" | "run" | "fetch" };

export interface FakeHiveOptions {
  readonly answer: (sql: string, settings: Readonly<Record<string, string>>) => FakeAnswer;
  readonly auth?: "plain" | "nosasl";
  /** Accepts only this password. */
  readonly password?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** A setting that no session may change, as SQL-standard authorization has them. */
  readonly refusedSetting?: string;
  /** Sends so many bytes at a time, to cut messages wherever they can be cut. */
  readonly chunkBytes?: number;
  /** Port to listen on; by default a free one. */
  readonly port?: number;
}

/** A HiveServer2 in this process, for tests: its protocol is real, its SQL is the test's. */
export interface FakeHive extends AsyncDisposable {
  readonly port: number;
  /** Every statement, in order. */
  readonly statements: string[];
  /** Statements whose operation was cancelled, and those whose operation was closed. */
  readonly cancelled: string[];
  readonly closed: string[];
  /** Calls by name. */
  readonly calls: Map<string, number>;
  /** Rows asked for by each fetch. */
  readonly fetches: number[];
  /** Sessions that were opened and not closed. */
  readonly sessions: Set<string>;
  /** While it returns true for a method, the fake cuts the connection instead of answering. */
  cut: (method: string) => boolean;
  /** Forgets sessions and operations, as a restart does. */
  forget(): void;
}

interface FakeOperation {
  readonly sql: string;
  readonly answer: FakeAnswer;
  at: number;
}

export async function startFakeHive(options: FakeHiveOptions): Promise<FakeHive> {
  const operations = new Map<string, FakeOperation>();
  const sockets = new Set<Socket>();
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    const owned: string[] = [];
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      for (const session of owned) fake.sessions.delete(session);
    });
    serve(socket, options, (message) => {
      if (fake.cut(message.name)) return "cut";
      fake.calls.set(message.name, (fake.calls.get(message.name) ?? 0) + 1);
      return answerCall(message, { fake, operations, options, owned });
    });
  };
  const server: Server = options.tls ? createTlsServer(options.tls, accept) : createServer(accept);
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const fake: FakeHive = {
    port: (server.address() as AddressInfo).port,
    statements: [],
    cancelled: [],
    closed: [],
    calls: new Map(),
    fetches: [],
    sessions: new Set(),
    cut: () => false,
    forget() {
      operations.clear();
      fake.sessions.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

interface CallContext {
  readonly fake: FakeHive;
  readonly operations: Map<string, FakeOperation>;
  readonly options: FakeHiveOptions;
  /** Sessions of this connection: they end with it. */
  readonly owned: string[];
}

function answerCall(message: Message, context: CallContext): Encoded | "never" {
  const request = message.body[1];
  const fields = isStruct(request) ? request : {};
  switch (message.name) {
    case "OpenSession":
      return openSession(fields, context);
    case "CloseSession":
      context.fake.sessions.delete(guidIn(fields[1]));
      return struct({ 1: success });
    case "ExecuteStatement":
      return execute(fields, context);
    default:
      return answerOperation(message.name, fields, context);
  }
}

function openSession(
  fields: Readonly<Record<number, Decoded | undefined>>,
  { fake, owned, options: { refusedSetting = "" } }: CallContext,
): Encoded {
  const wanted = isMap(fields[4]) ? [...fields[4].keys()] : [];
  if (wanted.includes(`set:hiveconf:${refusedSetting}`)) {
    const message = `Cannot modify ${refusedSetting} at runtime. It is not in list of params that are allowed to be modified at runtime`;
    return struct({ 1: failed({ sqlState: "42000", vendorCode: 0, message }) });
  }
  const handle = newHandle();
  fake.sessions.add(handle.guid);
  owned.push(handle.guid);
  return struct({ 1: success, 2: i32(7), 3: struct({ 1: handle.encoded }) });
}

function execute(
  fields: Readonly<Record<number, Decoded | undefined>>,
  { fake, operations, options }: CallContext,
): Encoded | "never" {
  const sql = textOf(fields[2]) ?? "";
  if (!fake.sessions.has(guidIn(fields[1])))
    return struct({ 1: invalidHandle("Invalid SessionHandle") });
  fake.statements.push(sql);
  const overlay = isMap(fields[3]) ? [...fields[3]] : [];
  const settings = Object.fromEntries(overlay.map(([name, value]) => [name, textOf(value) ?? ""]));
  const answer = options.answer(sql, settings);
  if ("hangs" in answer && answer.hangs === "compile") return "never";
  if ("fails" in answer && answer.fails === "compile") return struct({ 1: failed(answer) });
  const handle = newHandle();
  operations.set(handle.guid, { sql, answer, at: 0 });
  const hasRows = "columns" in answer || ("hangs" in answer && answer.hangs === "fetch");
  const operation = struct({ 1: handle.encoded, 2: i32(0), 3: bool(hasRows) });
  return struct({ 1: success, 2: operation });
}

function answerOperation(
  method: string,
  fields: Readonly<Record<number, Decoded | undefined>>,
  { fake, operations }: CallContext,
): Encoded | "never" {
  const guid = guidIn(fields[1]);
  const operation = operations.get(guid);
  if (!operation) return struct({ 1: invalidHandle("Invalid OperationHandle") });
  const { answer, sql } = operation;
  switch (method) {
    case "GetOperationStatus":
      return statusOf(answer);
    case "GetResultSetMetadata":
      return struct({ 1: success, 2: encodeSchema("columns" in answer ? answer.columns : []) });
    case "FetchResults": {
      const rowsMax = Number(fields[3]);
      fake.fetches.push(rowsMax);
      if (!("columns" in answer)) return "never";
      const rows = answer.rows.slice(operation.at, operation.at + rowsMax);
      operation.at += rows.length;
      return struct({ 1: success, 2: bool(false), 3: encodeRows(answer.columns, rows) });
    }
    case "CancelOperation":
      fake.cancelled.push(sql);
      return struct({ 1: success });
    default:
      fake.closed.push(sql);
      operations.delete(guid);
      return struct({ 1: success });
  }
}

function statusOf(answer: FakeAnswer): Encoded | "never" {
  if ("hangs" in answer && answer.hangs === "run") return "never";
  if (!("fails" in answer)) return struct({ 1: success, 2: i32(2) });
  const { sqlState, vendorCode, message } = answer;
  return struct({
    1: success,
    2: i32(5),
    3: bytes(sqlState),
    4: i32(vendorCode),
    5: bytes(message),
  });
}

/** Reads calls off a socket and writes the answers. */
function serve(
  socket: Socket,
  options: FakeHiveOptions,
  answer: (message: Message) => Encoded | "never" | "cut",
): void {
  const splitter = messageSplitter(64 * 1024 * 1024);
  const sasl = options.auth === "nosasl" ? undefined : saslServer(options, socket);
  const receive = (chunk: Buffer) => {
    const payload = sasl ? sasl(chunk) : chunk;
    for (const bytesOfMessage of splitter.push(payload)) {
      const message = decodeMessage(bytesOfMessage);
      const body = answer(message);
      if (body === "cut") socket.destroy();
      if (typeof body === "string") continue;
      const reply = encodeMessage(
        messageType.reply,
        message.name,
        message.sequence,
        struct({ 0: body }),
      );
      send(socket, sasl ? frame(reply) : reply, options.chunkBytes);
    }
  };
  socket.on("data", (chunk) => {
    try {
      receive(chunk);
    } catch {
      socket.destroy(); // As HiveServer2 does with what it cannot read.
    }
  });
}

/** The server's end of PLAIN: answers the log-in, then takes frames apart. */
function saslServer(options: FakeHiveOptions, socket: Socket): (chunk: Buffer) => Buffer {
  let pending: Buffer = Buffer.alloc(0);
  let steps = 0;
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    const payloads: Buffer[] = [];
    for (;;) {
      const head = steps < 2 ? 5 : 4;
      if (pending.length < head) break;
      const size = pending.readInt32BE(head - 4);
      if (pending.length < head + size) break;
      const payload = pending.subarray(head, head + size);
      pending = pending.subarray(head + size);
      if (steps === 1) logIn(options, payload, socket);
      if (steps < 2) steps += 1;
      else payloads.push(payload);
    }
    return Buffer.concat(payloads);
  };
}

function logIn({ password, chunkBytes }: FakeHiveOptions, payload: Buffer, socket: Socket): void {
  const [, , given] = payload.toString().split("\0");
  const accepted = password === undefined || password === given;
  const answer = accepted
    ? saslMessage(5, Buffer.alloc(0))
    : saslMessage(3, Buffer.from("Error validating the login"));
  send(socket, answer, chunkBytes);
}

function send(socket: Socket, content: Buffer, chunkBytes = content.length): void {
  for (let at = 0; at < content.length; at += chunkBytes) {
    socket.write(content.subarray(at, at + chunkBytes));
  }
}

const success = struct({ 1: i32(0) });

function invalidHandle(message: string): Encoded {
  return struct({ 1: i32(4), 5: bytes(message) });
}

function failed({
  sqlState,
  vendorCode,
  message,
}: Omit<Extract<FakeAnswer, { fails: string }>, "fails">): Encoded {
  return struct({ 1: i32(3), 3: bytes(sqlState), 4: i32(vendorCode), 5: bytes(message) });
}

function newHandle(): { readonly guid: string; readonly encoded: Encoded } {
  const guid = randomBytes(16);
  const encoded = struct({ 1: bytes(guid), 2: bytes(randomBytes(16)) });
  return { guid: guid.toString("hex"), encoded };
}

/** The guid in a TSessionHandle or TOperationHandle. */
function guidIn(handle: Decoded | undefined): string {
  const identifier = isStruct(handle) ? handle[1] : undefined;
  const guid = isStruct(identifier) ? identifier[1] : undefined;
  return Buffer.isBuffer(guid) ? guid.toString("hex") : "";
}
