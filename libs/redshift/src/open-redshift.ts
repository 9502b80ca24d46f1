import {
  BatchExecuteStatementCommand,
  ExecuteStatementCommand,
  RedshiftDataClient,
} from "@aws-sdk/client-redshift-data";
import { systemClock, type Emit } from "@hybridge/core";
import type {
  ExecuteOptions,
  Redshift,
  RedshiftOptions,
  RedshiftResult,
  TransactionOptions,
  TransactionResult,
} from "./api.ts";
import { batchesOf, emptyResult } from "./batches.ts";
import { columnOf } from "./columns.ts";
import { bindParameters } from "./parameters.ts";
import { setTimeoutSql } from "./time-limit.ts";
import { runStatement, type Connection, type FinishedStatement } from "./statement.ts";

const nothing = () => undefined;
const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Connects to nothing yet. Disposing cancels the statements that still run. */
export function openRedshift(options: RedshiftOptions): Redshift {
  const timeouts = {
    connectMs: 3_000,
    answerMs: 15_000,
    cancelMs: 3_000,
    lostMs: 10_000,
    ...options.timeouts,
  };
  const client = new RedshiftDataClient({
    region: options.region,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    requestHandler: {
      connectionTimeout: timeouts.connectMs,
      // Long polls hold a connection each; Redshift itself allows no more statements than this.
      httpAgent: { maxSockets: 200 },
      httpsAgent: { maxSockets: 200 },
    },
    // The SDK would warn on the console about what we raise as errors.
    logger: silent,
  });
  const place = options.endpoint ?? `in ${options.region}`;
  const where = options.workgroup ?? options.cluster ?? "";
  const clock = options.clock ?? systemClock;
  const connection = { client, address: `Redshift ${where} at ${place}`, timeouts, clock };
  const target = {
    Database: options.database,
    ...(options.workgroup === undefined ? {} : { WorkgroupName: options.workgroup }),
    ...(options.cluster === undefined ? {} : { ClusterIdentifier: options.cluster }),
    ...(options.dbUser === undefined ? {} : { DbUser: options.dbUser }),
    ...(options.secretArn === undefined ? {} : { SecretArn: options.secretArn }),
  };
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const tracked = async <T>(
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const promise = work(AbortSignal.any([signal, closing.signal]));
    running.add(promise);
    try {
      return await promise;
    } finally {
      running.delete(promise);
    }
  };
  return {
    address: connection.address,
    execute: (sql, call) =>
      tracked(call.signal, (signal) =>
        execute(connection, target, sql, { ...call, signal }, options.emit),
      ),
    transaction: (sqls, call) =>
      tracked(call.signal, (signal) =>
        transact(connection, target, sqls, { ...call, signal }, options.emit),
      ),
    async [Symbol.asyncDispose]() {
      closing.abort(new DOMException(`${connection.address} was closed`, "AbortError"));
      await Promise.allSettled(running);
      client.destroy();
    },
  };
}

type Target = Readonly<Record<string, string>> & { readonly Database: string };

async function execute(
  connection: Connection,
  target: Target,
  sql: string,
  options: ExecuteOptions,
  emit: Emit | undefined,
): Promise<RedshiftResult> {
  const bound = bindParameters(sql, options.parameters ?? {});
  const { timeoutMs } = options;
  const parameters = bound.parameters.length === 0 ? {} : { Parameters: [...bound.parameters] };
  const submit = (signal: AbortSignal) =>
    timeoutMs === undefined
      ? connection.client.send(
          new ExecuteStatementCommand({ ...target, ...parameters, Sql: bound.sql }),
          { abortSignal: signal },
        )
      : connection.client.send(
          new BatchExecuteStatementCommand({
            ...target,
            ...parameters,
            Sqls: [setTimeoutSql(timeoutMs), bound.sql],
          }),
          { abortSignal: signal },
        );
  const finished = await runStatement(connection, submit, options);
  const { statement, description } = finished;
  emit?.(ended("statement", finished));
  // Of a batch, the result is that of its last statement.
  const answered = timeoutMs === undefined ? description : description.SubStatements?.at(-1);
  const id = timeoutMs === undefined ? statement.id : (answered?.Id ?? `${statement.id}:2`);
  const rows = rowsOf(answered?.ResultRows);
  if (answered?.HasResultSet !== true) return emptyResult(statement.id, rows);
  const { first, batches } = await batchesOf(connection, id, options.signal);
  return { statementId: statement.id, columns: first.map(columnOf), rows, batches };
}

async function transact(
  connection: Connection,
  target: Target,
  sqls: readonly string[],
  options: TransactionOptions,
  emit: Emit | undefined,
): Promise<TransactionResult> {
  const submit = (signal: AbortSignal) =>
    connection.client.send(
      new BatchExecuteStatementCommand({
        ...target,
        Sqls: [...sqls],
        ...(options.token === undefined ? {} : { ClientToken: options.token }),
      }),
      { abortSignal: signal },
    );
  const finished = await runStatement(connection, submit, options);
  emit?.(ended("transaction", finished));
  const { SubStatements = [] } = finished.description;
  return {
    statementId: finished.statement.id,
    rows: SubStatements.map((part) => rowsOf(part.ResultRows)),
  };
}

/** -1 says that there is no number. */
function rowsOf(count: number | undefined): bigint | undefined {
  return count === undefined || count < 0 ? undefined : BigInt(count);
}

function ended(kind: "statement" | "transaction", { statement, description }: FinishedStatement) {
  const seconds = (description.Duration ?? 0) / 1e9;
  return {
    name: `redshift.${kind}_finished`,
    level: "debug",
    message: `Redshift finished ${kind} ${statement.id} in ${seconds.toFixed(3)} s`,
    fields: { statementId: statement.id, seconds },
    measurements: [
      {
        kind: "histogram",
        name: "hybridge_redshift_statement_seconds",
        value: seconds,
        labels: { kind },
      },
    ],
  } as const;
}
