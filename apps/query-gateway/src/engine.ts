import type { Emit } from "@hybridge/core";
import type { Engine, PreparedSql } from "@hybridge/query";
import { currentTraceparent, withSpan } from "@hybridge/tracing";
import { TooManyQueriesError } from "./errors.ts";

/** How the values of a column are held; the names are those of hybridge.query.v1. */
export type ValueType =
  "bool" | "int64" | "double" | "decimal" | "string" | "bytes" | "timestamp" | "date";

export interface ResultColumn {
  readonly name: string;
  readonly engineType: string;
  readonly type: ValueType;
}

/** A null has a zero value in `values` and its index in `nullRows`, ascending. */
export type ResultValues =
  | { readonly list: "bools"; readonly values: boolean[]; readonly nullRows: number[] }
  | { readonly list: "int64s"; readonly values: bigint[]; readonly nullRows: number[] }
  | { readonly list: "doubles"; readonly values: number[]; readonly nullRows: number[] }
  | { readonly list: "strings"; readonly values: string[]; readonly nullRows: number[] }
  | { readonly list: "bytes"; readonly values: Buffer[]; readonly nullRows: number[] };

export interface ResultBatch {
  readonly rowCount: number;
  readonly columns: readonly ResultValues[];
}

/** Rows that can be fetched. Leaving `batches` early frees what the engine holds. */
export interface Result {
  readonly columns: readonly ResultColumn[];
  readonly batches: AsyncIterable<ResultBatch>;
  /** Rows that may be sent of it, where the engine carries fewer than it was asked for. */
  readonly rowsMax?: number;
}

export interface StatementOptions {
  readonly signal: AbortSignal;
  /** The engine ends the statement after that time. */
  readonly timeoutMs: number;
  /** Rows that are wanted: the engine may stop at one more. */
  readonly rowsMax?: number;
  readonly onStarted: (statementId: string) => void;
}

/** Hive or Redshift, as the gateway uses it. */
export interface QueryEngine {
  readonly engine: Engine;
  readonly address: string;
  /** Each statement costs money, by the minute: nobody looks whether it is there. */
  readonly billedByUse: boolean;
  execute(prepared: PreparedSql, options: StatementOptions): Promise<Result>;
}

/** An engine with a bound on its queries, a span for each, and counts. */
export interface GuardedEngine {
  readonly engine: Engine;
  readonly address: string;
  /** Runs `body` with the result of a statement, and frees its place afterwards. */
  query(prepared: PreparedSql, limits: QueryLimits): AsyncGenerator<Result, void, undefined>;
}

export interface QueryLimits {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly rowsMax?: number;
}

/** Told how statements went, for GetStatus. */
export interface EngineWatch {
  succeeded(engine: Engine): void;
  failed(engine: Engine, error: unknown): void;
}

/** How much longer the engine may work than its caller waits, before it ends by itself. */
const MARGIN_MS = 5_000;

/**
 * Yields the result of one statement, once. While the generator is open the query holds a place;
 * closing it gives the place back. The statement runs within a span whose traceparent stands in a
 * comment before the SQL, so that the engine's own log and history name the trace.
 */
export function guardEngine(
  target: QueryEngine,
  concurrentMax: number,
  watch: EngineWatch,
  emit: Emit,
): GuardedEngine {
  const { engine, address } = target;
  let running = 0;
  return {
    engine,
    address,
    async *query(prepared, limits) {
      if (running >= concurrentMax) {
        throw new TooManyQueriesError(
          `${running} queries are running on ${engine}, as many as HYBRIDGE_QUERY_CONCURRENT_MAX allows; try again later`,
        );
      }
      running += 1;
      const startedMs = performance.now();
      let outcome = "failed";
      try {
        yield await start(target, prepared, limits, watch);
        outcome = "finished";
      } finally {
        running -= 1;
        const seconds = (performance.now() - startedMs) / 1000;
        emit(queryEnded(engine, limits.signal.aborted ? "cancelled" : outcome, seconds));
      }
    },
  };
}

async function start(
  target: QueryEngine,
  prepared: PreparedSql,
  { signal, timeoutMs, rowsMax }: QueryLimits,
  watch: EngineWatch,
): Promise<Result> {
  const { engine, address } = target;
  const attributes = { "db.system.name": engine, "server.address": address };
  try {
    const result = await withSpan(
      `${engine} statement`,
      attributes,
      (span) =>
        target.execute(
          {
            ...prepared,
            sql: `/* traceparent=${currentTraceparent() ?? "none"} */ ${prepared.sql}`,
          },
          {
            signal,
            timeoutMs: timeoutMs + MARGIN_MS,
            ...(rowsMax === undefined ? {} : { rowsMax }),
            onStarted: (id) => span.setAttribute("hybridge.statement.id", id),
          },
        ),
      { kind: "client" },
    );
    watch.succeeded(engine);
    return result;
  } catch (error) {
    if (!signal.aborted) watch.failed(engine, error);
    throw error;
  }
}

function queryEnded(engine: Engine, outcome: string, seconds: number) {
  const labels = { engine, outcome };
  return {
    name: "query.ended",
    level: "debug",
    message: `a query on ${engine} ${outcome}`,
    fields: { ...labels, seconds },
    measurements: [
      { kind: "counter", name: "hybridge_queries_total", value: 1, labels },
      { kind: "histogram", name: "hybridge_query_seconds", value: seconds, labels },
    ],
  } as const;
}
