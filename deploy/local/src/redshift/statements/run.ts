import type { Copier } from "../copy/copier.ts";
import type { EngineSession } from "../engine/engine.ts";
import { EngineError } from "../engine/protocol.ts";
import { SUPERUSER } from "../engine/server.ts";
import { bindParameters } from "../sql/parameters.ts";
import { SqlRefused } from "../sql/refused.ts";
import { quoteLiteral, tokenize } from "../sql/tokens.ts";
import { translate, type Plan, type SessionState } from "../sql/translate.ts";
import { redshiftMessage } from "./messages.ts";
import { partId, type Part, type StatementRecord } from "./record.ts";
import type { ResultFiles } from "./results.ts";

const FETCH_ROWS = 500;

/** A statement or batch while it is at work. */
export interface Run {
  readonly record: StatementRecord;
  readonly cancel: AbortController;
  readonly session: EngineSession;
  readonly results: ResultFiles;
  readonly copier: Copier;
  /** From here on the outcome is the database's: cancelling is too late. */
  committing: boolean;
  wrote: boolean;
  readonly state: SessionState;
}

/** All parts in one transaction. */
export async function runAsOne(run: Run): Promise<void> {
  await begin(run);
  for (const [index, part] of run.record.parts.entries()) await runPart(run, part, index);
  await commit(run);
}

/** Each part in a transaction of its own, up to the first that fails. */
export async function runOneByOne(run: Run): Promise<void> {
  for (const [index, part] of run.record.parts.entries()) {
    await begin(run);
    await runPart(run, part, index);
    await commit(run);
    run.committing = false;
  }
}

/** Whether a statement's transaction is in the database, which alone knows after a crash. */
export async function wasCommitted(session: EngineSession, id: string): Promise<boolean> {
  const { records } = await session.run(
    `SELECT 1 FROM redshift_compatibility.committed WHERE id = '${id}'`,
  );
  return records.length > 0;
}

/** The error text of a statement, as the Data API gives it. */
export function messageOf(error: unknown): string {
  if (error instanceof EngineError) return redshiftMessage(error.failure);
  return `ERROR: ${error instanceof Error ? error.message : String(error)}`;
}

async function begin(run: Run): Promise<void> {
  run.cancel.signal.throwIfAborted();
  await run.session.run("BEGIN");
  const user = databaseUser(run.record);
  if (user === undefined) return;
  try {
    await run.session.run(`SET SESSION AUTHORIZATION ${quoteLiteral(user)}`);
  } catch (error) {
    throw new SqlRefused(`user "${user}" does not exist`, { cause: error });
  }
}

/** Undefined: the administrator, as whom everybody comes who does not name another. */
function databaseUser({ dbUser = "IAM:" }: StatementRecord): string | undefined {
  return dbUser.startsWith("IAM:") || dbUser === SUPERUSER ? undefined : dbUser;
}

async function commit(run: Run): Promise<void> {
  run.cancel.signal.throwIfAborted();
  run.committing = true;
  if (run.wrote) {
    if (databaseUser(run.record)) await run.session.run("RESET SESSION AUTHORIZATION");
    await run.session.run(
      `INSERT INTO redshift_compatibility.committed (id) VALUES ('${run.record.id}')
       ON CONFLICT DO NOTHING`,
    );
  }
  await run.session.run("COMMIT");
}

async function runPart(run: Run, part: Part, index: number): Promise<void> {
  run.cancel.signal.throwIfAborted();
  const begun = process.hrtime.bigint();
  part.status = "STARTED";
  part.updatedAtMs = Date.now();
  try {
    await runPlan(run, part, index, planOf(run, part));
    part.status = "FINISHED";
  } catch (error) {
    const cancelled = run.cancel.signal.aborted;
    part.status = cancelled ? "ABORTED" : "FAILED";
    part.error = cancelled ? undefined : messageOf(error);
    throw error;
  } finally {
    part.durationNs = Number(process.hrtime.bigint() - begun);
    part.updatedAtMs = Date.now();
  }
}

function planOf({ record, state }: Run, part: Part): Plan {
  const bound = bindParameters(tokenize(part.sql), record.parameters);
  const [missing] = bound.missing;
  if (missing !== undefined) throw new SqlRefused(`parameter :${missing} has no value`);
  return translate(bound.tokens, state);
}

async function runPlan(run: Run, part: Part, index: number, plan: Plan): Promise<void> {
  const { session, copier, record, cancel } = run;
  switch (plan.kind) {
    case "nothing":
      part.resultRows = 0;
      return;
    case "case":
      run.state.caseSensitive = plan.sensitive;
      part.resultRows = 0;
      return;
    case "setting":
      await session.run(plan.sql);
      part.resultRows = 0;
      return;
    case "rows":
      return select(run, part, index, plan);
    case "copy":
      run.wrote = true;
      part.resultRows = await copier.copy(session, plan.copy, record.id, cancel.signal);
      return;
    case "truncate":
      // TRUNCATE commits the transaction in which it runs (Redshift, TRUNCATE).
      run.wrote = true;
      await session.run(plan.sql);
      await session.run("COMMIT");
      await session.run("BEGIN");
      part.resultRows = 0;
      return;
    case "command":
      run.wrote = true;
      part.resultRows = (await session.run(plan.sql)).affected;
  }
}

async function select(
  run: Run,
  part: Part,
  index: number,
  plan: Extract<Plan, { kind: "rows" }>,
): Promise<void> {
  const { session } = run;
  if (plan.cursor) await session.run(`DECLARE hybridge_rows NO SCROLL CURSOR FOR ${plan.sql}`);
  const fetch = plan.cursor ? `FETCH ${FETCH_ROWS} FROM hybridge_rows` : plan.sql;
  let page = await session.run(fetch);
  const writer = run.results.writer(partId(run.record, index), page.columns ?? []);
  await writer.write(page.records, page.sizes);
  while (plan.cursor && page.records.length === FETCH_ROWS) {
    run.cancel.signal.throwIfAborted();
    page = await session.run(fetch);
    await writer.write(page.records, page.sizes);
  }
  if (plan.cursor) await session.run("CLOSE hybridge_rows");
  const head = await writer.close();
  part.hasResultSet = true;
  part.resultRows = head.rows;
  part.resultSize = head.bytes;
}
