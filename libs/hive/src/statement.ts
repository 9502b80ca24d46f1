import { setTimeout as delay } from "node:timers/promises";
import type { HybridgeEvent } from "@hybridge/core";
import type {
  ExecuteOptions,
  HiveBatch,
  HiveColumn,
  HiveOptions,
  HiveResult,
  HiveTimeouts,
} from "./api.ts";
import { batchOf } from "./columns.ts";
import { connect } from "./connection.ts";
import { HiveStatementError, HiveTimeoutError } from "./errors.ts";
import { HandleForgottenError } from "./failures.ts";
import {
  cancelOperation,
  closeOperation,
  fetchPage,
  operationState,
  operationStatus,
  resultColumns,
  shortened,
  startStatement,
  type Operation,
} from "./service.ts";
import type { Session, SessionPool } from "./session-pool.ts";
import type { Decoded } from "./thrift.ts";

/** What HiveServer2 gives at most (hive.server2.thrift.resultset.max.fetch.size). */
const FETCH_ROWS_MAX = 10_000;
/** The first page is small: how wide the rows are is not known yet. */
const FETCH_ROWS_FIRST = 1_000;
/** Later pages aim at this size, so that two of them are the memory of a result. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** How long leaving a result waits for the page that was fetched ahead, rather than cancel it. */
const LEAVE_MS = 100;

export interface Engine {
  readonly options: HiveOptions;
  readonly timeouts: HiveTimeouts;
  readonly pool: SessionPool;
  /** Work that goes on after its caller has left: cancellations. */
  readonly background: (work: Promise<void>) => void;
}

/** The life of one statement in the engine. */
interface Run {
  readonly engine: Engine;
  readonly sql: string;
  readonly options: ExecuteOptions;
  readonly session: Session;
  operation: Operation | undefined;
  ended: boolean;
  /** Rejects with the signal's reason when the caller loses interest. */
  readonly aborted: Promise<never>;
  stopListening: () => void;
}

/** Runs one statement on a session of its own until its rows can be fetched. */
export async function runStatement(
  engine: Engine,
  sql: string,
  options: ExecuteOptions,
): Promise<HiveResult> {
  for (;;) {
    const session = await engine.pool.acquire(options.signal);
    const run = createRun(engine, sql, options, session);
    try {
      return await untilAborted(run, resultOf(run));
    } catch (error) {
      if (error instanceof HiveStatementError || error instanceof HiveTimeoutError) {
        await finish(run, run.operation);
      } else abandon(run);
      // The session did not outlive a restart of the server; the statement has not begun.
      if (error instanceof HandleForgottenError && session.reused && !run.operation) continue;
      throw error;
    }
  }
}

function createRun(engine: Engine, sql: string, options: ExecuteOptions, session: Session): Run {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onAbort = () => {
    reject(options.signal.reason);
    abandon(run);
  };
  const stopListening = () => options.signal.removeEventListener("abort", onAbort);
  const run: Run = {
    engine,
    sql,
    options,
    session,
    operation: undefined,
    ended: false,
    aborted: promise,
    stopListening,
  };
  if (options.signal.aborted) onAbort();
  else options.signal.addEventListener("abort", onAbort, { once: true });
  return run;
}

async function resultOf(run: Run): Promise<HiveResult> {
  const { engine, session, options } = run;
  const operation = await startStatement(
    session.connection,
    session.handle,
    {
      sql: run.sql,
      settings: options.settings ?? {},
      timeoutSeconds: Math.ceil((options.queryTimeoutMs ?? 0) / 1000),
    },
    engine.timeouts.compileMs,
  );
  run.operation = operation;
  options.onStarted?.(operation.id);
  const hasResultSet = await finished(run, operation);
  if (!hasResultSet) {
    await finish(run, operation);
    return { operationId: operation.id, columns: [], batches: nothing(), ...disposable(run) };
  }
  const columns = await resultColumns(session.connection, operation, engine.timeouts.answerMs);
  return {
    operationId: operation.id,
    columns,
    batches: pages(run, operation, columns),
    ...disposable(run),
  };
}

/** Waits until the statement has run; true when it has rows. */
async function finished(run: Run, operation: Operation): Promise<boolean> {
  const { connection } = run.session;
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 250)) {
    const asked = performance.now();
    const status = await operationStatus(
      connection,
      operation,
      run.sql,
      run.engine.timeouts.answerMs,
    );
    switch (status.state) {
      case operationState.finished:
        return status.hasResultSet ?? operation.hasResultSet;
      case operationState.error:
        throw status.failure ?? endedError(run, "failed without a word");
      case operationState.timedOut:
        throw new HiveTimeoutError(
          `Hive ended ${shortened(run.sql)} after ${String(run.options.queryTimeoutMs)} ms`,
        );
      case operationState.canceled:
        throw endedError(run, "was cancelled by somebody else");
      case operationState.closed:
        throw endedError(run, "was closed by somebody else");
    }
    // HiveServer2 answers late while a statement runs, unless long polling is switched off there.
    if (performance.now() - asked < 50) await delay(pauseMs);
  }
}

function endedError(run: Run, what: string): HiveStatementError {
  return new HiveStatementError(`${shortened(run.sql)} ${what} in Hive`, {
    sqlState: "",
    vendorCode: 0,
  });
}

async function* pages(
  run: Run,
  operation: Operation,
  columns: readonly HiveColumn[],
): AsyncGenerator<HiveBatch> {
  const limit = Math.min(run.options.fetchRowsMax ?? FETCH_ROWS_MAX, FETCH_ROWS_MAX);
  let rows = Math.min(limit, FETCH_ROWS_FIRST);
  let next = fetchAhead(run, operation, rows);
  let complete = false;
  try {
    for (;;) {
      const page = await untilAborted(run, next);
      const batch = batchOf(page, columns);
      if (batch.rowCount === 0) break;
      rows = nextRows(page, batch.rowCount, limit);
      next = fetchAhead(run, operation, rows);
      yield batch;
    }
    complete = true;
    await finish(run, operation);
  } finally {
    if (!complete) await leave(run, operation, next);
  }
}

/** One page is always on its way while the one before it is looked at. */
function fetchAhead(run: Run, operation: Operation, rows: number): Promise<Decoded | undefined> {
  const { session, engine } = run;
  const page = fetchPage(session.connection, operation, rows, engine.timeouts.fetchMs);
  page.catch(() => undefined);
  return page;
}

/** As many rows as make a page of PAGE_BYTES, judged by the page before. */
function nextRows(page: Decoded | undefined, rowCount: number, limit: number): number {
  const wanted = Math.floor((PAGE_BYTES * rowCount) / Math.max(1, bytesOf(page)));
  return Math.max(1, Math.min(limit, wanted));
}

/** The length of the answer that a page is part of. */
function bytesOf(page: Decoded | undefined): number {
  const list = typeof page === "object" && 3 in page ? page[3] : undefined;
  return typeof list === "object" && "buffer" in list && "count" in list ? list.buffer.length : 0;
}

async function* nothing(): AsyncGenerator<HiveBatch> {}

function disposable(run: Run): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      if (run.operation) await leave(run, run.operation, undefined);
    },
  };
}

/** The caller leaves rows behind. */
async function leave(run: Run, operation: Operation, ahead: Promise<unknown> | undefined) {
  if (run.ended) return;
  const arrived = await Promise.race([
    ahead?.then(
      () => true,
      () => false,
    ) ?? true,
    delay(LEAVE_MS, false, { ref: false }),
  ]);
  if (arrived) await finish(run, operation);
  else abandon(run);
}

/** Frees what the engine holds for a statement that has ended, and keeps the session. */
async function finish(run: Run, operation: Operation | undefined): Promise<void> {
  if (run.ended) return;
  run.ended = true;
  run.stopListening();
  const { pool, timeouts } = run.engine;
  const closed = operation
    ? closeOperation(run.session.connection, operation, timeouts.answerMs)
    : Promise.resolve();
  const clean = await closed.then(
    () => true,
    () => false,
  );
  pool.release(run.session, clean);
}

/**
 * Ends a statement whose connection may be waiting for an answer: the engine is told through
 * another connection, which it allows, then the first one is cut. While the statement is being
 * compiled there is no handle to cancel; the server drops it when it finds the connection gone.
 */
function abandon(run: Run): void {
  if (run.ended) return;
  run.ended = true;
  run.stopListening();
  const { engine, session, operation } = run;
  if (!operation || !session.connection.open) {
    engine.pool.release(session, false);
    return;
  }
  const work = cancelElsewhere(engine, session, operation)
    .then(
      () => engine.options.emit?.(cancelled(operation)),
      (error: unknown) => engine.options.emit?.(notCancelled(operation, error)),
    )
    .finally(() => engine.pool.release(session, false));
  engine.background(work);
}

async function cancelElsewhere(
  { options, timeouts: { cancelMs } }: Engine,
  { connection: { at } }: Session,
  operation: Operation,
): Promise<void> {
  const connection = await connect(options, at, cancelMs, AbortSignal.timeout(cancelMs));
  try {
    await cancelOperation(connection, operation, cancelMs);
    await closeOperation(connection, operation, cancelMs);
  } finally {
    connection.destroy();
  }
}

async function untilAborted<T>(run: Run, work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return await Promise.race([work, run.aborted]);
}

function cancelled({ id }: Operation): HybridgeEvent {
  return {
    name: "hive.statement-cancelled",
    level: "debug",
    message: "Hive was told to stop a statement that nobody waits for",
    fields: { operationId: id },
    measurements: [{ kind: "counter", name: "hybridge_hive_cancelled_total", value: 1 }],
  };
}

/** Its connection is cut all the same, which ends it too, only later. */
function notCancelled({ id }: Operation, error: unknown): HybridgeEvent {
  return {
    name: "hive.cancel-failed",
    level: "warn",
    message: "Hive could not be told to stop a statement; its connection was cut instead",
    fields: { operationId: id },
    error,
    measurements: [{ kind: "counter", name: "hybridge_hive_cancel_failed_total", value: 1 }],
  };
}
