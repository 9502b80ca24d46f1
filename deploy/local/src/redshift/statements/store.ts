import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, type Clock } from "@hybridge/core";
import { isTerminal, type StatementRecord, type Status } from "./record.ts";

/** Results and statements are kept 24 hours, client tokens 8 (Data API, "Considerations"). */
const KEPT_MS = 24 * 3_600_000;
const TOKEN_MS = 8 * 3_600_000;

/** What is kept in memory about a statement that has ended; the rest is in its file. */
interface Ended {
  readonly createdAtMs: number;
  readonly status: Status;
  readonly name: string | undefined;
}

/**
 * All statements: running ones in memory, ended ones in files, so that memory does not grow with
 * history and a restart forgets neither statements nor client tokens.
 */
export class StatementStore {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #running = new Map<string, StatementRecord>();
  readonly #ended = new Map<string, Ended>();
  readonly #tokens = new Map<string, { readonly id: string; readonly atMs: number }>();
  readonly #waiters = new Map<string, Set<() => void>>();

  private constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** @returns the store, and the statements that had not ended when the last process did */
  static async open(
    directory: string,
    clock: Clock = systemClock,
  ): Promise<{ store: StatementStore; unfinished: StatementRecord[] }> {
    await mkdir(directory, { recursive: true });
    const store = new StatementStore(directory, clock);
    const unfinished: StatementRecord[] = [];
    for (const name of await readdir(directory)) {
      if (!name.endsWith(".json")) continue;
      const record = await store.#read(name.slice(0, -5));
      if (record === undefined) continue;
      store.#remember(record);
      if (isTerminal(record.status)) store.#end(record);
      else {
        store.#running.set(record.id, record);
        unfinished.push(record);
      }
    }
    await store.prune();
    return { store, unfinished };
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** The statement that was submitted with this token in the last 8 hours. */
  byToken(token: string): string | undefined {
    const known = this.#tokens.get(token);
    if (known === undefined) return undefined;
    return known.atMs > this.#clock.now() - TOKEN_MS ? known.id : undefined;
  }

  async add(record: StatementRecord): Promise<void> {
    this.#running.set(record.id, record);
    this.#remember(record);
    await this.#write(record);
  }

  async find(id: string): Promise<StatementRecord | undefined> {
    const running = this.#running.get(id);
    if (running) return running;
    return this.#ended.has(id) ? this.#read(id) : undefined;
  }

  /** Writes a change of state down and wakes whoever waits for it. */
  async update(record: StatementRecord): Promise<void> {
    await this.#write(record);
    if (!isTerminal(record.status)) return;
    this.#end(record);
    this.#running.delete(record.id);
    const waiters = this.#waiters.get(record.id);
    this.#waiters.delete(record.id);
    for (const wake of waiters ?? []) wake();
  }

  /** Resolves when the statement has ended, after `ms`, or when the caller has gone. */
  async waitForEnd(id: string, ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#running.has(id) || ms <= 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters);
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        waiters.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake, { once: true });
      waiters.add(wake);
    });
  }

  /** Newest first. */
  list(): { id: string; createdAtMs: number; status: Status; name: string | undefined }[] {
    const running = [...this.#running.values()].map(({ id, createdAtMs, status, name }) => ({
      id,
      createdAtMs,
      status,
      name,
    }));
    const ended = [...this.#ended].map(([id, rest]) => ({ id, ...rest }));
    return [...running, ...ended].sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  /** Forgets what is older than a day. @returns the ids that are gone */
  async prune(): Promise<string[]> {
    const before = this.#clock.now() - KEPT_MS;
    const gone = [...this.#ended].filter(([, ended]) => ended.createdAtMs < before);
    for (const [id] of gone) {
      this.#ended.delete(id);
      await rm(this.#path(id), { force: true });
    }
    for (const [token, { atMs }] of this.#tokens) {
      if (atMs < this.#clock.now() - TOKEN_MS) this.#tokens.delete(token);
    }
    return gone.map(([id]) => id);
  }

  #remember(record: StatementRecord): void {
    if (record.clientToken === undefined) return;
    this.#tokens.set(record.clientToken, { id: record.id, atMs: record.createdAtMs });
  }

  #end(record: StatementRecord): void {
    const { createdAtMs, status, name } = record;
    this.#ended.set(record.id, { createdAtMs, status, name });
  }

  async #write(record: StatementRecord): Promise<void> {
    const path = this.#path(record.id);
    await writeFile(`${path}.new`, JSON.stringify(record));
    await rename(`${path}.new`, path);
  }

  async #read(id: string): Promise<StatementRecord | undefined> {
    try {
      return JSON.parse(await readFile(this.#path(id), "utf8")) as StatementRecord;
    } catch {
      return undefined;
    }
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}
