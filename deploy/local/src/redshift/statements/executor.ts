import type { Emit } from "@hybridge/core";
import type { Copier } from "../copy/copier.ts";
import { CopyFailed } from "../copy/failed.ts";
import type { Engine } from "../engine/engine.ts";
import { EngineError } from "../engine/protocol.ts";
import { bindParameters } from "../sql/parameters.ts";
import { SqlRefused } from "../sql/refused.ts";
import { tokenize } from "../sql/tokens.ts";
import { translate, type Plan } from "../sql/translate.ts";
import { redshiftMessage } from "./messages.ts";
import { isTerminal, partId, type Part, type StatementRecord, type Status } from "./record.ts";
import type { ResultFiles } from "./results.ts";
import type { StatementStore } from "./store.ts";

const FETCH_ROWS = 500;
/** Without a checkpointer process nothing else would ever trim the write-ahead log. */
const CHECKPOINT_EVERY = 20;

export interface ExecutorParts {
  readonly engine: Engine;
  readonly store: StatementStore;
  readonly results: ResultFiles;
  readonly copier: Copier;
  readonly emit: Emit;
}

interface Current {
  readonly record: StatementRecord;
  readonly cancel: AbortController;
  /** From here on the outcome is the database's: cancelling is too late. */
  committing: boolean;
}

/**
 * Runs statements one after the other, since the engine is one session, each in its transaction
 * and, as in the Data API, in a session of its own: temporary tables and settings end with it.
 */
export class Executor {
  readonly #parts: ExecutorParts;
  readonly #queue: StatementRecord[] = [];
  #current: Current | undefined;
  #draining: Promise<void> | undefined;
  #closed = false;
  #writes = 0;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
  }

  submit(record: StatementRecord): void {
    this.#queue.push(record);
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  /** @returns whether the statement will end as ABORTED */
  async cancel(record: StatementRecord): Promise<boolean> {
    const queued = this.#queue.indexOf(record);
    if (queued >= 0) {
      this.#queue.splice(queued, 1);
      await this.#end(record, "ABORTED", undefined);
      return true;
    }
    const current = this.#current;
    if (current?.record.id !== record.id || current.committing) return false;
    current.cancel.abort();
    await this.#parts.engine.interrupt();
    return true;
  }

  /** Lets the running statement go; what is queued stays written down as not finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#queue.length = 0;
    const current = this.#current;
    if (current && !current.committing) {
      current.cancel.abort();
      await this.#parts.engine.interrupt();
    }
    await this.#draining;
  }

  async #drain(): Promise<void> {
    for (;;) {
      const record = this.#queue.shift();
      if (record === undefined) return;
      const current = { record, cancel: new AbortController(), committing: false };
      this.#current = current;
      await this.#execute(current).catch((error: unknown) => {
        this.#parts.emit({
          name: "statement.lost",
          level: "error",
          message: `statement ${record.id} could not be brought to an end`,
          error,
        });
      });
      this.#current = undefined;
    }
  }

  async #execute(current: Current): Promise<void> {
    const { record } = current;
    await this.#move(record, "PICKED");
    const begun = process.hrtime.bigint();
    const session = new Session();
    try {
      await this.#move(record, "STARTED");
      if (record.autoCommit) await this.#eachAlone(current, session);
      else await this.#asOne(current, session);
      record.durationNs = Number(process.hrtime.bigint() - begun);
      await this.#end(record, "FINISHED", undefined);
    } catch (error) {
      record.durationNs = Number(process.hrtime.bigint() - begun);
      await this.#failed(current, error);
    }
    await this.#tidy(session);
  }

  async #asOne(current: Current, session: Session): Promise<void> {
    const { record } = current;
    const plans = record.parts.map((part) => planOf(record, part));
    await this.#begin(current);
    for (const [index, part] of record.parts.entries()) {
      await this.#part(
        current,
        session,
        part,
        index,
        () => plans[index]?.() ?? { kind: "nothing" },
      );
    }
    await this.#commit(current, session);
  }

  async #eachAlone(current: Current, session: Session): Promise<void> {
    const { record } = current;
    for (const [index, part] of record.parts.entries()) {
      await this.#begin(current);
      await this.#part(current, session, part, index, planOf(record, part));
      await this.#commit(current, session);
      current.committing = false;
    }
  }

  async #begin(current: Current): Promise<void> {
    current.cancel.signal.throwIfAborted();
    await this.#parts.engine.run("BEGIN");
  }

  async #commit(current: Current, session: Session): Promise<void> {
    current.cancel.signal.throwIfAborted();
    current.committing = true;
    if (session.wrote) {
      // The proof, after a crash, that this statement's transaction was committed.
      const id = current.record.id;
      await this.#parts.engine.run(
        `INSERT INTO redshift_compatibility.committed (id) VALUES ('${id}') ON CONFLICT DO NOTHING`,
      );
    }
    await this.#parts.engine.run("COMMIT");
  }

  async #part(
    current: Current,
    session: Session,
    part: Part,
    index: number,
    plan: () => Plan,
  ): Promise<void> {
    current.cancel.signal.throwIfAborted();
    const begun = process.hrtime.bigint();
    part.status = "STARTED";
    part.updatedAtMs = Date.now();
    try {
      await this.#run(current, session, part, index, plan());
      part.status = "FINISHED";
    } catch (error) {
      const cancelled = current.cancel.signal.aborted;
      part.status = cancelled ? "ABORTED" : "FAILED";
      part.error = cancelled ? undefined : messageOf(error);
      throw error;
    } finally {
      part.durationNs = Number(process.hrtime.bigint() - begun);
      part.updatedAtMs = Date.now();
    }
  }

  async #run(
    current: Current,
    session: Session,
    part: Part,
    index: number,
    plan: Plan,
  ): Promise<void> {
    const { engine, copier } = this.#parts;
    switch (plan.kind) {
      case "nothing":
        part.resultRows = 0;
        return;
      case "rows":
        return this.#select(current, part, index, plan);
      case "copy":
        session.wrote = true;
        part.resultRows = await copier.copy(plan.copy, current.record.id, current.cancel.signal);
        return;
      case "truncate":
        // TRUNCATE commits the transaction in which it runs (Redshift, TRUNCATE).
        session.wrote = true;
        await engine.run(plan.sql);
        await engine.run("COMMIT");
        await engine.run("BEGIN");
        part.resultRows = 0;
        return;
      case "command":
        session.wrote = true;
        session.leavesState ||= plan.leavesState;
        part.resultRows = (await engine.run(plan.sql)).affected;
    }
  }

  async #select(
    current: Current,
    part: Part,
    index: number,
    plan: Extract<Plan, { kind: "rows" }>,
  ): Promise<void> {
    const { engine, results } = this.#parts;
    if (plan.cursor) await engine.run(`DECLARE hybridge_rows NO SCROLL CURSOR FOR ${plan.sql}`);
    const fetch = plan.cursor ? `FETCH ${FETCH_ROWS} FROM hybridge_rows` : plan.sql;
    let page = await engine.run(fetch);
    const writer = results.writer(partId(current.record, index), page.columns ?? []);
    await writer.write(page.records);
    while (plan.cursor && page.records.length === FETCH_ROWS) {
      current.cancel.signal.throwIfAborted();
      page = await engine.run(fetch);
      await writer.write(page.records);
    }
    if (plan.cursor) await engine.run("CLOSE hybridge_rows");
    const head = await writer.close();
    part.hasResultSet = true;
    part.resultRows = head.rows;
    part.resultSize = head.bytes;
  }

  async #failed(current: Current, error: unknown): Promise<void> {
    const { record } = current;
    const cancelled = current.cancel.signal.aborted;
    if (!cancelled) await this.#parts.engine.run("ROLLBACK").catch(() => undefined);
    if (error instanceof CopyFailed) await this.#parts.copier.note(error, record.id);
    for (const part of record.parts) if (!isTerminal(part.status)) part.status = "ABORTED";
    // A process that is stopping leaves the statement to its successor.
    if (this.#closed) return;
    if (cancelled) return this.#end(record, "ABORTED", undefined);
    const place = record.parts.findIndex((part) => part.status === "FAILED");
    const prefix = record.batch && place >= 0 ? `Query #${place + 1} failed with ` : "";
    await this.#end(record, "FAILED", prefix + messageOf(error));
  }

  /** Ends the session: temporary tables and settings go; the log is trimmed now and then. */
  async #tidy(session: Session): Promise<void> {
    const { engine } = this.#parts;
    if (this.#closed) return;
    try {
      if (session.leavesState) {
        await engine.run("DISCARD TEMP");
        await engine.run("RESET ALL");
      }
      if (session.wrote) this.#writes += 1;
      if (this.#writes < CHECKPOINT_EVERY || this.#queue.length > 0) return;
      this.#writes = 0;
      await engine.run(
        "DELETE FROM redshift_compatibility.committed WHERE at < now() - interval '1 day'",
      );
      await engine.run("CHECKPOINT");
    } catch (error) {
      this.#parts.emit({
        name: "engine.tidy_failed",
        level: "warn",
        message: "the session could not be cleaned; the database is opened again",
        error,
      });
      await engine.interrupt();
    }
  }

  async #move(record: StatementRecord, status: Status): Promise<void> {
    record.status = status;
    record.updatedAtMs = Date.now();
    await this.#parts.store.update(record);
  }

  async #end(record: StatementRecord, status: Status, error: string | undefined): Promise<void> {
    record.error = error;
    for (const part of record.parts) {
      if (!isTerminal(part.status)) part.status = status;
    }
    await this.#move(record, status);
  }
}

/** What a statement leaves behind in the one session that all statements share. */
class Session {
  wrote = false;
  leavesState = false;
}

function planOf(record: StatementRecord, part: Part): () => Plan {
  return () => {
    const bound = bindParameters(tokenize(part.sql), record.parameters);
    const [missing] = bound.missing;
    if (missing !== undefined) throw new SqlRefused(`parameter :${missing} has no value`);
    return translate(bound.tokens);
  };
}

function messageOf(error: unknown): string {
  if (error instanceof EngineError) return redshiftMessage(error.failure);
  if (error instanceof Error) return `ERROR: ${error.message}`;
  return `ERROR: ${String(error)}`;
}
