// The thread in which PostgreSQL runs. It does one statement at a time and knows nothing of
// Redshift. It is ended from outside in the middle of a statement when that is cancelled.
import { parentPort, workerData } from "node:worker_threads";
import { protocol, type PGlite } from "@electric-sql/pglite";
import { openDatabase } from "./database.ts";
import { describeColumn, encodeRow, type RowField } from "./fields.ts";
import type { EngineFailure, EngineReply, EngineRequest, EngineResult } from "./protocol.ts";

interface WorkerData {
  readonly directory: string;
}

async function start(): Promise<void> {
  const { directory } = workerData as WorkerData;
  const database = await openDatabase(directory);
  parentPort?.on("message", (request: EngineRequest) => void answer(database, request));
  send({ kind: "ready" });
}

async function answer(database: PGlite, request: EngineRequest): Promise<void> {
  try {
    const result = await run(database, request.sql);
    send({ kind: "result", id: request.id, result });
  } catch (error) {
    send({ kind: "failure", id: request.id, failure: failureOf(error) });
  }
}

async function run(database: PGlite, sql: string): Promise<EngineResult> {
  const { messages } = await database.execProtocol(protocol.serialize.query(sql));
  let fields: readonly RowField[] | undefined;
  let affected = 0;
  const records: string[] = [];
  for (const message of messages) {
    if (message instanceof protocol.messages.RowDescriptionMessage) fields = message.fields;
    else if (message instanceof protocol.messages.DataRowMessage) {
      records.push(encodeRow(fields ?? [], message.fields));
    } else if (message instanceof protocol.messages.CommandCompleteMessage) {
      affected = Number(/ (\d+)$/.exec(message.text)?.[1] ?? 0);
    }
  }
  return { columns: fields?.map(describeColumn), records, affected };
}

function failureOf(error: unknown): EngineFailure {
  if (!(error instanceof Error)) {
    return {
      code: "XX000",
      message: String(error),
      detail: undefined,
      where: undefined,
      column: undefined,
      constraint: undefined,
    };
  }
  const from = error as Error & Partial<Record<keyof EngineFailure, string>>;
  return {
    code: from.code ?? "XX000",
    message: error.message,
    detail: from.detail,
    where: from.where,
    column: from.column,
    constraint: from.constraint,
  };
}

function send(reply: EngineReply): void {
  parentPort?.postMessage(reply);
}

await start().catch((error: unknown) => {
  send({
    kind: "broken",
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
});
