import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import {
  EngineError,
  EngineInterrupted,
  type EngineReply,
  type EngineRequest,
  type EngineResult,
} from "./protocol.ts";

// V8 now and then ends the process (a failed check of its table of code pages) when WebAssembly of
// this size is compiled a second time, optimised, in the background, while threads come and go:
// https://github.com/nodejs/node/issues/64500. Without that a long statement takes a third longer,
// the first ones are faster, and some 60 MB are saved.
setFlagsFromString("--no-wasm-tier-up");
setFlagsFromString("--no-wasm-dynamic-tiering");

/**
 * PostgreSQL as a library (PGlite), in a thread of its own: one session, one statement at a time,
 * data in a folder. Callers serialise.
 *
 * WebAssembly cannot be interrupted from outside, so cancelling ends the thread, and the next
 * statement opens the database again: PostgreSQL's own crash recovery then drops the transaction.
 * That costs about 0.3 s and is the same promise that a killed server gives.
 */
export interface Engine extends AsyncDisposable {
  /** Opens the database if need be. */
  session(): Promise<EngineSession>;
  /** Ends whatever runs, and with it the session; its run() is rejected with EngineInterrupted. */
  interrupt(): Promise<void>;
}

/**
 * One life of the database. After an interruption it runs nothing more: a statement must not go on
 * in a new life, outside of the transaction that it belongs to.
 */
export interface EngineSession {
  /** @throws EngineError, EngineInterrupted */
  run(sql: string): Promise<EngineResult>;
}

export async function openEngine(directory: string): Promise<Engine> {
  if (!existsSync(join(directory, "PG_VERSION"))) await initialize(directory);
  const engine = new WorkerEngine(directory);
  await engine.session();
  return engine;
}

/** Under another name first, so that a database whose making was cut off is made again. */
async function initialize(directory: string): Promise<void> {
  const unfinished = `${directory}.new`;
  await rm(unfinished, { recursive: true, force: true });
  const args = [...process.execArgv, siblingFile("./initialize.ts"), unfinished];
  await promisify(execFile)(process.execPath, args);
  await rename(unfinished, directory);
}

/** The same file in the sources and in what was built from them. */
function siblingFile(name: string): string {
  const built = import.meta.url.endsWith(".ts") ? name : name.replace(/\.ts$/, ".js");
  return fileURLToPath(new URL(built, import.meta.url));
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

  async session(): Promise<EngineSession> {
    const opened = (this.#worker ??= this.#open());
    const worker = await opened;
    return {
      run: (sql) => {
        if (this.#worker !== opened) {
          return Promise.reject(new EngineInterrupted("the engine was stopped"));
        }
        return this.#run(worker, sql);
      },
    };
  }

  async interrupt(): Promise<void> {
    const opened = this.#worker;
    this.#worker = undefined;
    this.#rejectAll(new EngineInterrupted("the statement was cancelled"));
    await opened?.then((worker) => worker.terminate()).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A checkpoint, so that the next start has no log to replay.
    if (this.#worker && this.#waiting.size === 0) {
      await this.session()
        .then((session) => session.run("CHECKPOINT"))
        .catch(() => undefined);
    }
    await this.interrupt();
  }

  #run(worker: Worker, sql: string): Promise<EngineResult> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, sql } satisfies EngineRequest);
    });
  }

  #open(): Promise<Worker> {
    const worker = new Worker(siblingFile("./worker.ts"), {
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
