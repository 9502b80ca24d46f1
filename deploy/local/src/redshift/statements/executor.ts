import { setTimeout as delay } from "node:timers/promises";
import type { Emit } from "@hybridge/core";
import type { Copier } from "../copy/copier.ts";
import { CopyFailed } from "../copy/failed.ts";
import { SESSIONS_MAX, type Engine } from "../engine/engine.ts";
import { isTerminal, type StatementRecord, type Status } from "./record.ts";
import type { ResultFiles } from "./results.ts";
import { messageOf, runAsOne, runOneByOne, wasCommitted, type Run } from "./run.ts";
import type { StatementStore } from "./store.ts";

export interface ExecutorParts {
  readonly engine: Engine;
  readonly store: StatementStore;
  readonly results: ResultFiles;
  readonly copier: Copier;
  readonly emit: Emit;
}

/** A statement at work; `run` once it has a session. */
interface Active {
  readonly record: StatementRecord;
  readonly cancel: AbortController;
  readonly ended: Promise<unknown>;
  run?: Run;
}

/** A cancel that reaches the session between two statements does nothing: so it is repeated. */
const CANCEL_EVERY_MS = 100;
/** How long transactions are remembered by which a start settles what was in flight. */
const FORGET_EVERY = 200;

/**
 * Runs statements side by side, as many as there are sessions, in the order in which they came; each
 * in its transaction and, as in the Data API, in a session of its own.
 */
export class Executor {
  readonly #parts: ExecutorParts;
  readonly #queue: StatementRecord[] = [];
  readonly #active = new Map<string, Active>();
  #closed = false;
  #writes = 0;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
  }

  submit(record: StatementRecord): void {
    this.#queue.push(record);
    this.#next();
  }

  /** @returns whether the statement will end as ABORTED */
  async cancel(record: StatementRecord): Promise<boolean> {
    const queued = this.#queue.indexOf(record);
    if (queued >= 0) {
      this.#queue.splice(queued, 1);
      await this.#end(record, "ABORTED", undefined);
      return true;
    }
    const active = this.#active.get(record.id);
    if (active === undefined || active.run?.committing === true) return false;
    void this.#interrupt(active);
    return true;
  }

  /** Lets the running statements go; what is queued stays written down as not finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#queue.length = 0;
    const active = [...this.#active.values()];
    for (const one of active) if (one.run?.committing !== true) void this.#interrupt(one);
    await Promise.all(active.map(({ ended }) => ended));
  }

  #next(): void {
    while (this.#active.size < SESSIONS_MAX) {
      const record = this.#queue.shift();
      if (record === undefined) return;
      const { promise: ended, resolve } = Promise.withResolvers<undefined>();
      const active: Active = { record, cancel: new AbortController(), ended };
      this.#active.set(record.id, active);
      void this.#execute(active)
        .catch((error: unknown) => {
          this.#warn(`statement ${record.id} could not be brought to an end`, error);
        })
        .finally(() => {
          this.#active.delete(record.id);
          resolve(undefined);
          this.#next();
        });
    }
  }

  async #interrupt(active: Active): Promise<void> {
    active.cancel.abort();
    while (this.#active.has(active.record.id)) {
      await active.run?.session.cancel().catch((error: unknown) => {
        this.#warn(`statement ${active.record.id} could not be cancelled`, error);
      });
      await delay(CANCEL_EVERY_MS, undefined, { ref: false });
    }
  }

  async #execute(active: Active): Promise<void> {
    const { record, cancel } = active;
    await this.#move(record, "PICKED");
    const begun = process.hrtime.bigint();
    const elapsed = () => Number(process.hrtime.bigint() - begun);
    try {
      await using session = await this.#parts.engine.session();
      const { results, copier } = this.#parts;
      const run: Run = {
        record,
        cancel,
        session,
        results,
        copier,
        committing: false,
        wrote: false,
        state: { caseSensitive: false },
      };
      active.run = run;
      try {
        await this.#move(record, "STARTED");
        await (record.autoCommit ? runOneByOne(run) : runAsOne(run));
      } catch (error) {
        await session.run("ROLLBACK").catch(() => session.discard());
        throw error;
      } finally {
        // A cancel that is under way must not hit the session's next statement.
        if (cancel.signal.aborted) session.discard();
      }
      record.durationNs = elapsed();
      await this.#end(record, "FINISHED", undefined);
      await this.#forget(run);
    } catch (error) {
      record.durationNs = elapsed();
      await this.#failed(active, error);
    }
  }

  async #failed({ record, cancel, run }: Active, error: unknown): Promise<void> {
    const cancelled = cancel.signal.aborted;
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
    await using session = await this.#parts.engine.session();
    return await wasCommitted(session, record.id);
  }

  async #note(failed: CopyFailed, statementId: string): Promise<void> {
    try {
      await using session = await this.#parts.engine.session();
      await this.#parts.copier.note(session, failed, statementId);
    } catch (error) {
      this.#warn("a failed load is missing in stl_load_errors", error);
    }
  }

  async #forget({ session, wrote }: Run): Promise<void> {
    if (!wrote || this.#closed || ++this.#writes % FORGET_EVERY !== 0) return;
    await session
      .run("DELETE FROM redshift_compatibility.committed WHERE at < now() - interval '1 day'")
      .catch((error: unknown) => this.#warn("old transactions could not be forgotten", error));
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
