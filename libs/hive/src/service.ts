// The calls of TCLIService that we use, as typed functions over a connection.
// https://github.com/apache/hive/blob/rel/release-4.0.1/service-rpc/if/TCLIService.thrift
import { UnavailableError, type HybridgeError } from "@hybridge/core";
import type { HiveColumn, HiveOptions } from "./api.ts";
import { columnsOf } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { HiveProtocolError, HiveStatementError } from "./errors.ts";
import { failureOf } from "./failures.ts";
import { addressText, credentialsOf } from "./server.ts";
import {
  bool,
  bytes,
  i16,
  i32,
  i64,
  isStruct,
  struct,
  textMap,
  textOf,
  type Decoded,
  type Encoded,
  type Struct,
} from "./thrift.ts";

/**
 * V8, counted from 0: columns of values since V6, intervals since V8. V9 would allow the server to
 * send pages as its tasks serialised them, which only its own Java driver can read.
 */
const PROTOCOL = 7;
const PROTOCOL_LEAST = 5;
const UNIQUE_COLUMN_NAMES = "hive.resultset.use.unique.column.names";

const statusCode = {
  success: 0,
  withInfo: 1,
  stillExecuting: 2,
  error: 3,
  invalidHandle: 4,
} as const;

export const operationState = {
  initialized: 0,
  running: 1,
  finished: 2,
  canceled: 3,
  closed: 4,
  error: 5,
  unknown: 6,
  pending: 7,
  timedOut: 8,
} as const;

/** A session handle, as it is sent back. */
export type SessionHandle = Encoded;

export interface Operation {
  readonly handle: Encoded;
  /** Hive's guid of it. */
  readonly id: string;
  readonly hasResultSet: boolean;
}

export interface OperationStatus {
  readonly state: number;
  readonly hasResultSet: boolean | undefined;
  /** Set in the error state. */
  readonly failure: HybridgeError | undefined;
}

export async function openSession(
  connection: Connection,
  options: HiveOptions,
  timeoutMs: number,
): Promise<SessionHandle> {
  const configuration: Record<string, string> = {
    // Plain names: `id`, not `tweets.id`.
    [`set:hiveconf:${UNIQUE_COLUMN_NAMES}`]: "false",
  };
  for (const [name, value] of Object.entries(options.settings ?? {})) {
    configuration[`set:hiveconf:${name}`] = value;
  }
  if (options.database !== undefined) configuration["use:database"] = options.database;
  const { user, password } = credentialsOf(options);
  const address = addressText(connection.at);
  const request = struct({
    1: i32(PROTOCOL),
    2: bytes(user),
    3: bytes(password),
    4: textMap(configuration),
  });
  const response = await connection.call("OpenSession", request, timeoutMs);
  checkSession(response[1], `open a session at ${address}`);
  if (Number(response[2]) < PROTOCOL_LEAST) {
    throw new HiveProtocolError(
      `HiveServer2 at ${address} speaks version ${Number(response[2]) + 1} of ` +
        `its protocol; columns need ${PROTOCOL_LEAST + 1} (Hive 0.13) or later`,
    );
  }
  return struct({ 1: handleOf(structIn(response[3], "a session")[1], "a session") });
}

export async function closeSession(
  connection: Connection,
  session: SessionHandle,
  timeoutMs: number,
): Promise<void> {
  await connection.call("CloseSession", struct({ 1: session }), timeoutMs);
}

export interface StatementRequest {
  readonly sql: string;
  /** Hive settings for this statement alone. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whole seconds; 0 for none. */
  readonly timeoutSeconds: number;
}

/** Compiles a statement and starts it; the answer comes when it is compiled. */
export async function startStatement(
  connection: Connection,
  session: SessionHandle,
  statement: StatementRequest,
  timeoutMs: number,
): Promise<Operation> {
  const request = struct({
    1: session,
    2: bytes(statement.sql),
    3: textMap(statement.settings),
    4: bool(true),
    5: i64(BigInt(statement.timeoutSeconds)),
  });
  const response = await connection.call("ExecuteStatement", request, timeoutMs);
  checkStatus(response[1], `run ${shortened(statement.sql)}`);
  const operation = structIn(response[2], "an operation");
  const identifier = structIn(operation[1], "an operation");
  return {
    handle: struct({
      1: handleOf(operation[1], "an operation"),
      2: i32(Number(operation[2])),
      3: bool(operation[3] === true),
    }),
    id: guidOf(identifier[1]),
    hasResultSet: operation[3] === true,
  };
}

/** Answers when the operation ends, or after some time of waiting: the server polls for us. */
export async function operationStatus(
  connection: Connection,
  operation: Operation,
  sql: string,
  timeoutMs: number,
): Promise<OperationStatus> {
  const request = struct({ 1: operation.handle });
  const response = await connection.call("GetOperationStatus", request, timeoutMs);
  checkStatus(response[1], `ask for the state of ${shortened(sql)}`);
  const state = Number(response[2] ?? operationState.unknown);
  const failure =
    state === operationState.error
      ? failureOf(`run ${shortened(sql)}`, {
          sqlState: textOf(response[3]),
          vendorCode: response[4],
          message: textOf(response[5]),
        })
      : undefined;
  const hasResultSet = response[9];
  return {
    state,
    hasResultSet: typeof hasResultSet === "boolean" ? hasResultSet : undefined,
    failure,
  };
}

export async function resultColumns(
  connection: Connection,
  operation: Operation,
  timeoutMs: number,
): Promise<HiveColumn[]> {
  const request = struct({ 1: operation.handle });
  const response = await connection.call("GetResultSetMetadata", request, timeoutMs);
  checkStatus(response[1], "describe a result");
  return columnsOf(response[2]);
}

/** The next page, still encoded. An empty one is the end: `hasMoreRows` is not kept by the server. */
export async function fetchPage(
  connection: Connection,
  operation: Operation,
  rowsMax: number,
  timeoutMs: number,
): Promise<Decoded | undefined> {
  const request = struct({ 1: operation.handle, 2: i32(0), 3: i64(BigInt(rowsMax)), 4: i16(0) });
  const response = await connection.call("FetchResults", request, timeoutMs);
  checkStatus(response[1], "fetch rows");
  return response[3];
}

export async function cancelOperation(
  connection: Connection,
  operation: Operation,
  timeoutMs: number,
): Promise<void> {
  await connection.call("CancelOperation", struct({ 1: operation.handle }), timeoutMs);
}

export async function closeOperation(
  connection: Connection,
  operation: Operation,
  timeoutMs: number,
): Promise<void> {
  await connection.call("CloseOperation", struct({ 1: operation.handle }), timeoutMs);
}

/** A statement for messages: one line, not too long. */
export function shortened(sql: string): string {
  const line = sql.replaceAll(/\s+/g, " ").trim();
  return `"${line.length > 200 ? `${line.slice(0, 200)}...` : line}"`;
}

function checkStatus(status: Decoded | undefined, attempt: string): void {
  const fields = structIn(status, "a status");
  const code = fields[1];
  if (code === statusCode.success || code === statusCode.withInfo) return;
  if (code === statusCode.stillExecuting) return;
  throw failureOf(attempt, {
    sqlState: textOf(fields[3]),
    vendorCode: fields[4],
    message: textOf(fields[5]),
    forgotten: code === statusCode.invalidHandle,
  });
}

/** What keeps a session from being opened passes, mostly: but not these. */
const NEVER_OPENS = /does not exist|not allowed to impersonate|AccessControlException|is denied/i;

function checkSession(status: Decoded | undefined, attempt: string): void {
  try {
    checkStatus(status, attempt);
  } catch (error) {
    if (!(error instanceof HiveStatementError) || NEVER_OPENS.test(error.message)) throw error;
    throw new UnavailableError("HiveServer2 opens no session now", { cause: error });
  }
}

/** A THandleIdentifier, ready to be sent back. */
function handleOf(identifier: Decoded | undefined, what: string): Encoded {
  const { 1: guid, 2: secret } = structIn(identifier, what);
  if (!Buffer.isBuffer(guid) || !Buffer.isBuffer(secret)) throw without(what);
  // Copies: the answer that they are part of can go.
  return struct({ 1: bytes(Buffer.from(guid)), 2: bytes(Buffer.from(secret)) });
}

function guidOf(guid: Decoded | undefined): string {
  const hex = Buffer.isBuffer(guid) ? guid.toString("hex") : "";
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function structIn(value: Decoded | undefined, what: string): Struct {
  if (!isStruct(value)) throw without(what);
  return value;
}

function without(what: string): HiveProtocolError {
  return new HiveProtocolError(`an answer of HiveServer2 lacks ${what}`);
}
