import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { UnavailableError } from "@hybridge/core";
import { landingStoreOver } from "../blob-landing-store.ts";
import type { BlobStore, EncodedFile, LandingStore } from "../ports.ts";

/** What a test may do to a call: let it pass, fail before its effect, or lose its response. */
export type Fault = "none" | "before" | "after";

/** A disk that survives "restarts": several stores over one MemoryDisk see the same files. */
export interface MemoryDisk {
  readonly files: Map<string, Buffer>;
  /** Asked before each operation. */
  fault: (operation: string, name: string) => Fault;
}

export function memoryDisk(): MemoryDisk {
  return { files: new Map(), fault: () => "none" };
}

/** A LandingStore in memory with the ledger and fences of the real ones. */
export function memoryStore(disk: MemoryDisk = memoryDisk()): LandingStore {
  return landingStoreOver(memoryBlobs(disk));
}

/** The operations under memoryStore; `pageSize` makes tests cross pages. */
export function memoryBlobs(disk: MemoryDisk, pageSize = 1000): BlobStore {
  const { files } = disk;
  const guarded = async <T>(
    operation: string,
    name: string,
    signal: AbortSignal,
    effect: () => T | Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted();
    const fault = disk.fault(operation, name);
    if (fault === "before") throw new UnavailableError(`${operation} ${name}: store is away`);
    const result = await effect();
    if (fault === "after") throw new UnavailableError(`${operation} ${name}: response was lost`);
    return result;
  };
  const createWith = (name: string, bytes: Buffer): "created" | "exists" => {
    if (files.has(name)) return "exists";
    files.set(name, bytes);
    return "created";
  };
  return {
    scheme: "memory",
    locationOf: (name) => `memory:/${name}`,
    create: (name, bytes, signal) =>
      guarded("create", name, signal, () => createWith(name, Buffer.from(bytes))),
    createFromFile: (name, file: EncodedFile, signal) =>
      guarded("createFromFile", name, signal, async () =>
        createWith(name, await readFile(file.localPath)),
      ),
    read: (name, signal) => guarded("read", name, signal, () => files.get(name)),
    describe: (name, signal) =>
      guarded("describe", name, signal, () => {
        const bytes = files.get(name);
        if (!bytes) return undefined;
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        return { bytes: bytes.length, sha256 };
      }),
    list: (folder, after, signal) =>
      guarded("list", folder, signal, () => {
        const rest = [...files.keys()]
          .filter((name) => name.startsWith(`${folder}/`))
          .map((name) => name.slice(folder.length + 1))
          .filter((name) => name > after)
          .sort();
        return { names: rest.slice(0, pageSize), more: rest.length > pageSize };
      }),
  };
}
