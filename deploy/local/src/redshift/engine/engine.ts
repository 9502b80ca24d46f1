import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import type { Secret } from "@hybridge/core";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { prepareDatabase, SEARCH_PATH } from "./database.ts";
import { describeColumn, encodeRow, refuseMixedScales } from "./fields.ts";
import {
  EngineError,
  EngineInterrupted,
  type EngineFailure,
  type EngineResult,
} from "./protocol.ts";
import { SqlRefused } from "../sql/refused.ts";
import { startPostgres, type Connection } from "./server.ts";

/** Statements that run at once; more wait. Redshift's own bound is 50, our processes are dearer. */
export const SESSIONS_MAX = 15;
/** For cancelling, and for what the endpoint itself asks. */
const CONTROL_SESSIONS_MAX = 4;

/** PostgreSQL: as many sessions at once as statements may run. */
export interface Engine extends AsyncDisposable {
  /** A session as a new one, which its scope gives back. */
  session(): Promise<EngineSession>;
}

/** One session of the database, with settings, temporary tables and a transaction of its own. */
export interface EngineSession extends AsyncDisposable {
  /** @throws EngineError, EngineInterrupted */
  run(sql: string): Promise<EngineResult>;
  /** COPY ... FROM STDIN. @returns the rows loaded; @throws EngineError, EngineInterrupted */
  load(sql: string, content: Readable, signal: AbortSignal): Promise<number>;
  /** Asks the database to stop what the session runs; it fails with SQLSTATE 57014. */
  cancel(): Promise<void>;
  /** Ends the session instead of giving it back. */
  discard(): void;
}

export interface EngineOptions {
  /** For the data of a PostgreSQL of our own. */
  readonly directory: string;
  readonly database: string;
  /** Another PostgreSQL, whose database is ours alone. */
  readonly url: Secret | undefined;
}

/** Opens the database, starting a PostgreSQL of our own where no other is given. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  await using stack = new AsyncDisposableStack();
  let server: Connection;
  if (options.url === undefined) {
    server = stack.use(await startPostgres(options.directory)).connection;
  } else server = { connectionString: options.url.value() };
  const connection = await prepareDatabase(server, options.database);
  const sessions = stack.adopt(poolOf(connection, SESSIONS_MAX), (pool) => pool.end());
  const control = stack.adopt(poolOf(connection, CONTROL_SESSIONS_MAX), (pool) => pool.end());
  const owned = stack.move();
  return {
    session: () => openSession(sessions, control),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Values stay the texts that PostgreSQL sends, so that no digit is lost. */
const AS_TEXT = { getTypeParser: () => (value: string) => value };

const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  // Redshift's default since 2023; its conflicts are PostgreSQL's serialization failures.
  default_transaction_isolation: "repeatable read",
  search_path: SEARCH_PATH,
  timezone: "UTC",
  bytea_output: "hex",
};

function poolOf(connection: Connection, max: number): pg.Pool {
  const options = Object.entries(SESSION_SETTINGS).map(
    ([name, value]) => `-c ${name}=${value.replaceAll(" ", "\\ ")}`,
  );
  const pool = new pg.Pool({
    ...connection,
    max,
    options: options.join(" "),
    types: AS_TEXT,
    application_name: "hybridge-redshift",
  });
  // A session that ends while nobody uses it is no trouble: the pool opens another.
  pool.on("error", () => undefined);
  return pool;
}

async function openSession(sessions: pg.Pool, control: pg.Pool): Promise<EngineSession> {
  const client = await sessions.connect().catch((error: unknown) => {
    throw failed(error);
  });
  let broken: Error | undefined;
  const lose = (error: Error) => (broken ??= error);
  client.on("error", lose);
  const { processID } = client as pg.PoolClient & { readonly processID: number };
  return {
    run: (sql) => run(client, sql),
    load: (sql, content, signal) => load(client, sql, content, signal),
    async cancel() {
      await control.query("SELECT pg_cancel_backend($1)", [processID]);
    },
    discard: () => lose(new EngineInterrupted("the session is given up")),
    async [Symbol.asyncDispose]() {
      // Settings, temporary tables, the user: the next statement is in a session as new.
      if (!broken) await client.query("DISCARD ALL").catch(lose);
      client.off("error", lose);
      client.release(broken);
    },
  };
}

async function run(client: pg.PoolClient, sql: string): Promise<EngineResult> {
  try {
    const result = await client.query<(string | null)[]>({ text: sql, rowMode: "array" });
    const { fields, rows, rowCount } = result;
    const hasRows = fields.length > 0;
    refuseMixedScales(fields, rows);
    return {
      columns: hasRows ? fields.map(describeColumn) : undefined,
      records: rows.map((row) => encodeRow(fields, row)),
      sizes: rows.map((row) => row.reduce((sum, value) => sum + Buffer.byteLength(value ?? ""), 0)),
      affected: rowCount ?? 0,
    };
  } catch (error) {
    throw failed(error);
  }
}

async function load(
  client: pg.PoolClient,
  sql: string,
  content: Readable,
  signal: AbortSignal,
): Promise<number> {
  const stream = client.query(copyFrom(sql));
  try {
    await pipeline(content, stream, { signal });
    return stream.rowCount;
  } catch (error) {
    throw failed(error);
  }
}

function failed(error: unknown): Error {
  if (error instanceof SqlRefused) return error;
  if (!(error instanceof Error)) return new Error(String(error));
  const from = error as Error & Partial<Record<keyof EngineFailure, string>>;
  // What the server itself says has a SQLSTATE; what the connection says has not.
  if (from.code === undefined || !/^[0-9A-Z]{5}$/.test(from.code)) {
    return from.name === "AbortError" ? from : new EngineInterrupted(from.message, { cause: from });
  }
  const failure = {
    code: from.code,
    message: from.message,
    detail: from.detail,
    where: from.where,
    column: from.column,
    constraint: from.constraint,
  };
  return new EngineError(failure, { cause: from });
}
