import { retry, type Clock } from "@hybridge/core";
import type { TableStore } from "../store-port.ts";

const TRIES = 4;
const BASE_MS = 50;

/**
 * A store whose reads are tried a few times before they fail: a start reads over a hundred small
 * files, and one lost answer must not make it begin anew. Writes go through as they are, since what
 * an unknown answer means is each caller's own question.
 */
export function withPatientReads(store: TableStore, clock: Clock): TableStore {
  const patiently = <T>(attempt: () => Promise<T>, signal: AbortSignal) =>
    retry(attempt, { signal, clock, tries: TRIES, baseMs: BASE_MS });
  return {
    scheme: store.scheme,
    moves: store.moves,
    locationOf: (path) => store.locationOf(path),
    read: (path, signal) => patiently(() => store.read(path, signal), signal),
    list: (folder, after, signal) => patiently(() => store.list(folder, after, signal), signal),
    size: (path, signal) => patiently(() => store.size(path, signal), signal),
    put: (path, bytes, signal) => store.put(path, bytes, signal),
    create: (path, bytes, signal) => store.create(path, bytes, signal),
    draft: (path, bytes, signal) => store.draft(path, bytes, signal),
    remove: (paths, signal) => store.remove(paths, signal),
    upload: (path, file, signal) => store.upload(path, file, signal),
    move: (from, to, signal) => store.move(from, to, signal),
  };
}
