import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Emit } from "@hybridge/core";
import type { RedshiftConfig } from "./config.ts";
import { createCopier } from "./copy/copier.ts";
import { lockDirectory } from "./directory-lock.ts";
import { openEngine, type Engine } from "./engine/engine.ts";
import { startHttpServer } from "./http/server.ts";
import { Executor } from "./statements/executor.ts";
import { isTerminal, type StatementRecord } from "./statements/record.ts";
import { ResultFiles } from "./statements/results.ts";
import { wasCommitted } from "./statements/run.ts";
import { StatementStore } from "./statements/store.ts";

const PRUNE_EVERY_MS = 600_000;

export interface RedshiftEndpoint extends AsyncDisposable {
  readonly url: string;
}

/** Opens the database in its folder, settles what a crash left, and serves the Data API. */
export async function startRedshiftEndpoint(
  config: RedshiftConfig,
  emit: Emit,
): Promise<RedshiftEndpoint> {
  await using stack = new AsyncDisposableStack();
  const directory = config.HYBRIDGE_REDSHIFT_DIR;
  await mkdir(directory, { recursive: true });
  stack.use(await lockDirectory(directory));
  const engine = stack.use(
    await openEngine({
      directory,
      database: config.HYBRIDGE_REDSHIFT_DATABASE,
      url: config.HYBRIDGE_LOCAL_REDSHIFT_POSTGRES_URL,
    }),
  );
  // What a killed process had on its way.
  await rm(join(directory, "load"), { recursive: true, force: true });
  const results = new ResultFiles(join(directory, "results"));
  const { store, unfinished } = await StatementStore.open(join(directory, "statements"));
  for (const record of unfinished) await settle(engine, store, record);
  const copier = stack.use(
    createCopier({
      directory: join(directory, "load"),
      s3Endpoint: config.HYBRIDGE_S3_ENDPOINT,
      s3Region: config.HYBRIDGE_S3_REGION,
    }),
  );
  const executor = new Executor({ engine, store, results, copier, emit });
  stack.defer(() => executor.close());
  const pruning = setInterval(() => void prune(store, results), PRUNE_EVERY_MS);
  stack.defer(() => clearInterval(pruning));
  const server = await startHttpServer(
    { host: config.HYBRIDGE_REDSHIFT_HOST, port: config.HYBRIDGE_REDSHIFT_PORT, emit },
    { store, executor, results, database: config.HYBRIDGE_REDSHIFT_DATABASE },
  );
  stack.use(server);
  const owned = stack.move();
  return { url: server.url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A statement that was running when the last process ended: the database knows how it ended. */
async function settle(
  engine: Engine,
  store: StatementStore,
  record: StatementRecord,
): Promise<void> {
  await using session = await engine.session();
  const committed = await wasCommitted(session, record.id);
  const status = committed ? "FINISHED" : "FAILED";
  for (const part of record.parts) if (!isTerminal(part.status)) part.status = status;
  record.status = status;
  record.error =
    status === "FAILED"
      ? "ERROR: terminating connection: the endpoint was stopped while the statement ran"
      : undefined;
  record.updatedAtMs = Date.now();
  await store.update(record);
}

async function prune(store: StatementStore, results: ResultFiles): Promise<void> {
  for (const id of await store.prune()) await results.remove(id);
}
