// The thread in which PostgreSQL runs. It does one statement at a time and knows nothing of
// Redshift. It is ended from outside in the middle of a statement when that is cancelled.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { PGlite, protocol, type Results } from "@electric-sql/pglite";
import { COMPATIBILITY_SQL, COMPATIBILITY_VERSION } from "./compatibility-sql.ts";
import { describeColumn, encodeRow, type RowField } from "./fields.ts";
import type { EngineFailure, EngineReply, EngineRequest, EngineResult } from "./protocol.ts";

// Sizes for a process that shares a developer's machine; PostgreSQL's own defaults take 128 MB for
// shared buffers alone, which WebAssembly memory never gives back.
const SETTINGS = {
  shared_buffers: "16MB",
  work_mem: "8MB",
  maintenance_work_mem: "16MB",
  wal_buffers: "1MB",
  max_wal_size: "64MB",
  min_wal_size: "32MB",
  timezone: "UTC",
  search_path: "public,redshift_compatibility",
};

interface WorkerData {
  readonly directory: string;
}

async function start(): Promise<void> {
  const { directory } = workerData as WorkerData;
  const fresh = !existsSync(join(directory, "PG_VERSION"));
  const database = await PGlite.create({
    dataDir: directory,
    startParams: [
      ...PGlite.defaultStartParams,
      ...Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
  });
  await bringUpToDate(database);
  parentPort?.on("message", (request: EngineRequest) => void answer(database, request));
  send({ kind: "ready", fresh });
}

async function bringUpToDate(database: PGlite): Promise<void> {
  const version: Results<{ version: string | null }> = await database.query(
    "SELECT obj_description(to_regnamespace('redshift_compatibility'), 'pg_namespace') AS version",
  );
  if (version.rows[0]?.version === COMPATIBILITY_VERSION) return;
  await database.exec(COMPATIBILITY_SQL);
  await database.exec(`COMMENT ON SCHEMA redshift_compatibility IS '${COMPATIBILITY_VERSION}'`);
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
