import { existsSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import {
  EngineError,
  EngineInterrupted,
  type EngineReply,
  type EngineRequest,
  type EngineResult,
} from "./protocol.ts";

/**
 * PostgreSQL as a library (PGlite), in a thread of its own: one session, one statement at a time,
 * data in a folder. Callers serialise.
 *
 * WebAssembly cannot be interrupted from outside, so cancelling ends the thread, and the next
 * statement opens the database again: PostgreSQL's own crash recovery then drops the transaction.
 * That costs about 0.3 s and is the same promise that a killed server gives.
 */
export interface Engine extends AsyncDisposable {
  /** @throws EngineError, EngineInterrupted */
  run(sql: string): Promise<EngineResult>;
  /** Ends whatever runs; its run() is rejected with EngineInterrupted. */
  interrupt(): Promise<void>;
}

export async function openEngine(directory: string): Promise<Engine> {
  const engine = new WorkerEngine(directory);
  const fresh = !existsSync(join(directory, "PG_VERSION"));
  await engine.run("SELECT 1");
  // Making a database takes 300 MB that WebAssembly would keep: go on in a new thread.
  if (fresh) await engine[Symbol.asyncDispose]();
  return engine;
}

interface Waiting {
  readonly resolve: (result: EngineResult) => void;
  readonly reject: (error: Error) => void;
}

class WorkerEngine implements Engine {
  readonly #directory: string;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Promise<Worker> | undefined;
  #lastId = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async run(sql: string): Promise<EngineResult> {
    this.#worker ??= this.#open();
    const worker = await this.#worker;
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, sql } satisfies EngineRequest);
    });
  }

  async interrupt(): Promise<void> {
    const opened = this.#worker;
    this.#worker = undefined;
    this.#rejectAll(new EngineInterrupted("the statement was cancelled"));
    await opened?.then((worker) => worker.terminate()).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A checkpoint, so that the next start has no log to replay.
    if (this.#worker && this.#waiting.size === 0)
      await this.run("CHECKPOINT").catch(() => undefined);
    await this.interrupt();
  }

  #open(): Promise<Worker> {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: { directory: this.#directory },
    });
    return new Promise((resolve, reject) => {
      const broken = (error: Error) => {
        reject(error);
        this.#lost(worker, error);
      };
      worker.on("message", (reply: EngineReply) => {
        if (reply.kind === "ready") resolve(worker);
        else if (reply.kind === "broken") broken(new Error(reply.message));
        else this.#settle(reply);
      });
      worker.on("error", (error) =>
        broken(error instanceof Error ? error : new Error(String(error))),
      );
      worker.on("exit", () => broken(new EngineInterrupted("the engine has ended")));
    });
  }

  #settle(reply: Extract<EngineReply, { id: number }>): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.kind === "result") waiting?.resolve(reply.result);
    else waiting?.reject(new EngineError(reply.failure));
  }

  /** A thread that ended by itself: whoever waited for it hears so, and the next run opens anew. */
  #lost(worker: Worker, error: Error): void {
    void this.#worker?.then(
      (current) => {
        if (current !== worker) return;
        this.#worker = undefined;
        this.#rejectAll(error);
      },
      () => {
        this.#worker = undefined;
      },
    );
  }

  #rejectAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
