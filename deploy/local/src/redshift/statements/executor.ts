import type { Emit } from "@hybridge/core";
import type { Copier } from "../copy/copier.ts";
import { CopyFailed } from "../copy/failed.ts";
import type { Engine } from "../engine/engine.ts";
import { isTerminal, type StatementRecord, type Status } from "./record.ts";
import type { ResultFiles } from "./results.ts";
import { messageOf, runAsOne, runOneByOne, wasCommitted, type Run } from "./run.ts";
import type { StatementStore } from "./store.ts";

/** Without a checkpointer process nothing else would ever trim the write-ahead log. */
const CHECKPOINT_EVERY = 20;

export interface ExecutorParts {
  readonly engine: Engine;
  readonly store: StatementStore;
  readonly results: ResultFiles;
  readonly copier: Copier;
  readonly emit: Emit;
}

/** The statement at work; `run` once it has a session. */
interface Current {
  readonly record: StatementRecord;
  readonly cancel: AbortController;
  run?: Run;
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
    if (current?.record.id !== record.id || current.run?.committing === true) return false;
    current.cancel.abort();
    await this.#parts.engine.interrupt();
    return true;
  }

  /** Lets the running statement go; what is queued stays written down as not finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#queue.length = 0;
    const current = this.#current;
    if (current && current.run?.committing !== true) {
      current.cancel.abort();
      await this.#parts.engine.interrupt();
    }
    await this.#draining;
  }

  async #drain(): Promise<void> {
    for (;;) {
      const record = this.#queue.shift();
      if (record === undefined) return;
      const current = { record, cancel: new AbortController() };
      this.#current = current;
      await this.#execute(current).catch((error: unknown) => {
        this.#warn(`statement ${record.id} could not be brought to an end`, error);
      });
      this.#current = undefined;
    }
  }

  async #execute(current: Current): Promise<void> {
    const { record } = current;
    await this.#move(record, "PICKED");
    const begun = process.hrtime.bigint();
    const elapsed = () => Number(process.hrtime.bigint() - begun);
    try {
      const session = await this.#parts.engine.session();
      const { results, copier } = this.#parts;
      const state = { committing: false, wrote: false, leavesState: false };
      current.run = { ...current, session, results, copier, ...state };
      await this.#move(record, "STARTED");
      await (record.autoCommit ? runOneByOne(current.run) : runAsOne(current.run));
      record.durationNs = elapsed();
      await this.#end(record, "FINISHED", undefined);
    } catch (error) {
      record.durationNs = elapsed();
      await this.#failed(current, error);
    }
    if (current.run) await this.#tidy(current.run);
  }

  async #failed({ record, cancel, run }: Current, error: unknown): Promise<void> {
    const cancelled = cancel.signal.aborted;
    if (!cancelled) await run?.session.run("ROLLBACK").catch(() => undefined);
    // A process that is stopping leaves the statement to its successor.
    if (this.#closed) return;
    if (run?.committing === true && (await this.#committedAfterAll(record))) {
      for (const part of record.parts) part.status = "FINISHED";
      return this.#end(record, "FINISHED", undefined);
    }
    if (error instanceof CopyFailed) await this.#note(error, record.id);
    for (const part of record.parts) if (!isTerminal(part.status)) part.status = "ABORTED";
    if (cancelled) return this.#end(record, "ABORTED", undefined);
    const place = record.parts.findIndex((part) => part.status === "FAILED");
    const prefix = record.batch && place >= 0 ? `Query #${place + 1} failed with ` : "";
    return this.#end(record, "FAILED", prefix + messageOf(error));
  }

  /** The engine ended between COMMIT and its answer. */
  async #committedAfterAll(record: StatementRecord): Promise<boolean> {
    if (record.autoCommit) return false;
    return wasCommitted(await this.#parts.engine.session(), record.id);
  }

  async #note(failed: CopyFailed, statementId: string): Promise<void> {
    try {
      await this.#parts.copier.note(await this.#parts.engine.session(), failed, statementId);
    } catch (error) {
      this.#warn("a failed load is missing in stl_load_errors", error);
    }
  }

  /** Ends the session: temporary tables and settings go; the log is trimmed now and then. */
  async #tidy({ session, leavesState, wrote, cancel }: Run): Promise<void> {
    if (this.#closed || cancel.signal.aborted) return;
    try {
      if (leavesState) {
        await session.run("DISCARD TEMP");
        await session.run("RESET ALL");
      }
      if (wrote) this.#writes += 1;
      if (this.#writes < CHECKPOINT_EVERY || this.#queue.length > 0) return;
      this.#writes = 0;
      await session.run(
        "DELETE FROM redshift_compatibility.committed WHERE at < now() - interval '1 day'",
      );
      await session.run("CHECKPOINT");
    } catch (error) {
      this.#warn("the session could not be cleaned; the database is opened again", error);
      await this.#parts.engine.interrupt();
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

  #warn(message: string, error: unknown): void {
    this.#parts.emit({ name: "redshift.trouble", level: "warn", message, error });
  }
}
