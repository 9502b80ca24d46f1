import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { HybridgeError, UnavailableError } from "@hybridge/core";
import type { Draft, TableStore, LocalFile, Page } from "../store-port.ts";
import { memoryTree, type MemoryTree } from "./memory-tree.ts";

/**
 * What befalls a call: nothing; it fails before its effect; its answer is lost; or it times out
 * while the request is on its way still, and has its effect when the disk delivers it.
 */
export type CallFault = "none" | "before" | "after" | "late";

export type StoreCall =
  "read" | "put" | "create" | "draft" | "createAs" | "list" | "remove" | "upload" | "size" | "move";

export interface MemoryLandingOptions {
  /** As HDFS (true) or as S3 (false). */
  readonly moves?: boolean;
  /** Names in a page of a listing. */
  readonly listingMax?: number;
  /** Names in a folder; more are refused, as HDFS does. */
  readonly folderMax?: number;
  /** Content of local files; a simulation has none on disk. */
  readonly readLocal?: (file: LocalFile) => Promise<Buffer>;
}

export interface CallCounts {
  calls: number;
  bytesRead: number;
  bytesWritten: number;
}

/** The store as one process has it. */
export interface MemoryTableStore extends TableStore {
  readonly counts: CallCounts;
  /** Asked before each call. */
  fault: (call: StoreCall, path: string) => CallFault;
  /** The process dies before its next effect: no call returns any more. */
  kill(): void;
  /** SIGSTOP: no call begins or returns, until it goes on. */
  stop(): void;
  goOn(): void;
}

/** A disk, or a bucket, that outlives processes. */
export interface MemoryLanding {
  readonly tree: MemoryTree;
  open(): MemoryTableStore;
  /** Requests that timed out and are still on their way. */
  readonly late: number;
  /** One of them arrives; the oldest, or the one that `choose` picks. */
  deliver(choose?: (count: number) => number): void;
}

/** A folder is full. */
export class MemoryFolderFullError extends HybridgeError {
  readonly code = "MEMORY_FOLDER_FULL";
  readonly retry = "backoff";
}

/** The process that made the call is dead. Nobody catches it but the test. */
export class ProcessDiedError extends Error {}

interface Shared {
  readonly tree: MemoryTree;
  readonly moves: boolean;
  readonly listingMax: number;
  readonly readLocal: (file: LocalFile) => Promise<Buffer>;
  readonly late: (() => void)[];
}

/** A store in memory with the limits and the faults of real ones. */
export function memoryLanding(options: MemoryLandingOptions = {}): MemoryLanding {
  const { moves = true, listingMax = 100, folderMax = 10_000 } = options;
  const tree = memoryTree({
    keepsEmptyFolders: moves,
    folderMax,
    full: (folder) => new MemoryFolderFullError(`${folder} holds ${folderMax} names: it is full`),
  });
  const late: (() => void)[] = [];
  const readLocal = options.readLocal ?? verifiedLocal;
  const shared = { tree, moves, listingMax, readLocal, late };
  return {
    tree,
    open: () => new MemoryProcessStore(shared),
    get late() {
      return late.length;
    },
    deliver(choose = () => 0) {
      const [request] = late.splice(choose(late.length), 1);
      request?.();
    },
  };
}

class MemoryProcessStore implements MemoryTableStore {
  readonly scheme = "memory";
  readonly moves: boolean;
  readonly counts: CallCounts = { calls: 0, bytesRead: 0, bytesWritten: 0 };
  fault: (call: StoreCall, path: string) => CallFault = () => "none";
  readonly #shared: Shared;
  readonly #tree: MemoryTree;
  #isDead = false;
  #stopped: PromiseWithResolvers<void> | undefined;

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#tree = shared.tree;
    this.moves = shared.moves;
  }

  locationOf(path: string): string {
    return `memory:/${path}`;
  }

  kill(): void {
    this.#isDead = true;
    this.goOn();
  }

  stop(): void {
    this.#stopped ??= Promise.withResolvers();
  }

  goOn(): void {
    this.#stopped?.resolve();
    this.#stopped = undefined;
  }

  async read(path: string, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#call("read", path, signal, () => {
      const bytes = this.#tree.read(path);
      this.counts.bytesRead += bytes?.length ?? 0;
      return bytes;
    });
  }

  async put(path: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    await this.#call("put", path, signal, () => this.#write(path, bytes));
  }

  async create(path: string, bytes: Buffer, signal: AbortSignal): Promise<"created" | "exists"> {
    return this.#call("create", path, signal, () => {
      if (this.#tree.read(path)) return "exists";
      this.#write(path, bytes);
      return "created";
    });
  }

  async draft(path: string, bytes: Buffer, signal: AbortSignal): Promise<Draft> {
    await this.#call("draft", path, signal, () => this.#write(path, bytes));
    return {
      createAs: (target, signalOfCall) =>
        this.#call("createAs", target, signalOfCall, () => this.#createAs(path, target, bytes)),
    };
  }

  async list(folder: string, after: string, signal: AbortSignal): Promise<Page> {
    return this.#call("list", folder, signal, () =>
      this.#tree.list(folder, after, this.#shared.listingMax),
    );
  }

  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#call("remove", paths[0] ?? "", signal, () => {
      for (const path of paths) this.#tree.remove(path);
    });
  }

  async upload(path: string, file: LocalFile, signal: AbortSignal): Promise<void> {
    const bytes = await this.#shared.readLocal(file);
    await this.#call("upload", path, signal, () => this.#write(path, bytes));
  }

  async size(path: string, signal: AbortSignal): Promise<number | undefined> {
    return this.#call("size", path, signal, () => this.#tree.read(path)?.length);
  }

  async move(
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<"moved" | "absent" | "exists"> {
    return this.#call("move", from, signal, () => this.#tree.move(from, to));
  }

  #createAs(draft: string, target: string, bytes: Buffer): "created" | "exists" {
    if (this.#tree.read(target)) return "exists";
    if (!this.moves) {
      this.#write(target, bytes);
      return "created";
    }
    const outcome = this.#tree.move(draft, target);
    if (outcome === "absent") throw new UnavailableError(`${draft} is not there to be renamed`);
    return outcome === "moved" ? "created" : "exists";
  }

  #write(path: string, bytes: Buffer): void {
    this.counts.bytesWritten += bytes.length;
    this.#tree.write(path, bytes);
  }

  /** One call: other processes run before it, its effect is atomic, and others run after it. */
  async #call<T>(call: StoreCall, path: string, signal: AbortSignal, effect: () => T): Promise<T> {
    signal.throwIfAborted();
    await this.#stopped?.promise;
    this.#throwIfDead();
    this.counts.calls += 1;
    const fault = this.fault(call, path);
    this.#throwIfDead();
    if (fault === "before") throw new UnavailableError(`${call} ${path}: the store is away`);
    if (fault === "late") {
      this.#shared.late.push(() => deliver(effect));
      throw new UnavailableError(`${call} ${path}: timed out, on its way still`);
    }
    const result = effect();
    await this.#stopped?.promise;
    this.#throwIfDead();
    if (fault === "after") throw new UnavailableError(`${call} ${path}: the answer was lost`);
    return result;
  }

  #throwIfDead(): void {
    if (this.#isDead) throw new ProcessDiedError("the process is dead");
  }
}

/** Nobody waits for the answer of a late request any more, a refusal included. */
function deliver(effect: () => unknown): void {
  try {
    effect();
  } catch (error) {
    if (!(error instanceof HybridgeError)) throw error;
  }
}

async function verifiedLocal(file: LocalFile): Promise<Buffer> {
  const bytes = await readFile(file.localPath);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (bytes.length === file.bytes && sha256 === file.sha256) return bytes;
  throw new UnavailableError(`${file.localPath} is not what was to be uploaded`);
}
