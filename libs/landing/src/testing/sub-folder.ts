import type { TableStore } from "../store-port.ts";

/** A folder of a store as a store of its own. */
export function subFolder(store: TableStore, folder: string): TableStore {
  const at = (path: string) => (path === "" ? folder : `${folder}/${path}`);
  return {
    scheme: store.scheme,
    moves: store.moves,
    locationOf: (path) => store.locationOf(at(path)),
    read: (path, signal) => store.read(at(path), signal),
    put: (path, bytes, signal) => store.put(at(path), bytes, signal),
    create: (path, bytes, signal) => store.create(at(path), bytes, signal),
    async draft(path, bytes, signal) {
      const draft = await store.draft(at(path), bytes, signal);
      return { createAs: (name, until) => draft.createAs(at(name), until) };
    },
    list: (path, after, signal) => store.list(at(path), after, signal),
    remove: (paths, signal) => store.remove(paths.map(at), signal),
    upload: (path, file, signal) => store.upload(at(path), file, signal),
    size: (path, signal) => store.size(at(path), signal),
    move: (from, to, signal) => store.move(at(from), at(to), signal),
  };
}
