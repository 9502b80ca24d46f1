import { UnavailableError } from "@hybridge/core";
import type { Draft, TableStore } from "../store-port.ts";
import type { CallFault, StoreCall } from "./memory-table-store.ts";

/** Any store, with faults in front of it. */
export interface FaultyTableStore extends TableStore {
  /** Asked before each call. */
  fault: (call: StoreCall, path: string) => CallFault;
  /** Requests that timed out and are still on their way. */
  readonly late: number;
  /** The oldest of them arrives. */
  deliver(): Promise<void>;
}

export function faultyTableStore(store: TableStore): FaultyTableStore {
  const late: (() => Promise<unknown>)[] = [];
  async function call<T>(name: StoreCall, path: string, effect: () => Promise<T>): Promise<T> {
    const fault = faulty.fault(name, path);
    if (fault === "before") throw new UnavailableError(`${name} ${path}: the store is away`);
    if (fault === "late") {
      late.push(effect);
      throw new UnavailableError(`${name} ${path}: timed out, on its way still`);
    }
    const result = await effect();
    if (fault === "after") throw new UnavailableError(`${name} ${path}: the answer was lost`);
    return result;
  }
  const faulty: FaultyTableStore = {
    fault: () => "none",
    get late() {
      return late.length;
    },
    async deliver() {
      // Nobody waits for the answer any more, a refusal included.
      await late
        .shift()?.()
        .catch(() => undefined);
    },
    scheme: store.scheme,
    moves: store.moves,
    locationOf: (path) => store.locationOf(path),
    read: (path, signal) => call("read", path, () => store.read(path, signal)),
    put: (path, bytes, signal) => call("put", path, () => store.put(path, bytes, signal)),
    create: (path, bytes, signal) => call("create", path, () => store.create(path, bytes, signal)),
    async draft(path, bytes, signal): Promise<Draft> {
      const draft = await call("draft", path, () => store.draft(path, bytes, signal));
      return {
        createAs: (target, signalOfCall) =>
          call("createAs", target, () => draft.createAs(target, signalOfCall)),
      };
    },
    list: (folder, after, signal) => call("list", folder, () => store.list(folder, after, signal)),
    remove: (paths, signal) => call("remove", paths[0] ?? "", () => store.remove(paths, signal)),
    upload: (path, file, signal) => call("upload", path, () => store.upload(path, file, signal)),
    size: (path, signal) => call("size", path, () => store.size(path, signal)),
    move: (from, to, signal) => call("move", from, () => store.move(from, to, signal)),
  };
  return faulty;
}
