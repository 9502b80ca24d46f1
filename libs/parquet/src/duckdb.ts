import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { parquetError } from "./errors.ts";

/** A DuckDB in memory with one thread, so that the bytes it writes do not depend on timing. */
export interface Database extends AsyncDisposable {
  /** Runs one statement and returns its rows as objects. An abort interrupts it. */
  run(sql: string, what: string, signal?: AbortSignal): Promise<Record<string, unknown>[]>;
}

/** @param memoryLimit in DuckDB's notation, for example "256MB" */
export async function openDatabase(memoryLimit: string): Promise<Database> {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: memoryLimit,
    preserve_insertion_order: "true",
    autoinstall_known_extensions: "false",
  });
  const connection = await instance.connect();
  return {
    run: (sql, what, signal) => runStatement(connection, sql, what, signal),
    [Symbol.asyncDispose]() {
      connection.closeSync();
      instance.closeSync();
      return Promise.resolve();
    },
  };
}

/** Runs one statement and returns its rows as objects. An abort interrupts it. */
export async function runStatement(
  connection: DuckDBConnection,
  sql: string,
  what: string,
  signal?: AbortSignal,
): Promise<Record<string, unknown>[]> {
  signal?.throwIfAborted();
  const interrupt = () => connection.interrupt();
  signal?.addEventListener("abort", interrupt, { once: true });
  try {
    const reader = await connection.runAndReadAll(sql);
    return reader.getRowObjects();
  } catch (error) {
    signal?.throwIfAborted();
    throw parquetError(what, error);
  } finally {
    signal?.removeEventListener("abort", interrupt);
  }
}

/** A text literal of SQL. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
