import type { Page } from "../store-port.ts";

export interface MemoryTreeOptions {
  /** HDFS keeps them, S3 has none. */
  readonly keepsEmptyFolders: boolean;
  readonly folderMax: number;
  readonly full: (folder: string) => Error;
}

/** Files in folders, with a bound on the names in each. Paths have slashes; "" is the root. */
export interface MemoryTree {
  read(path: string): Buffer | undefined;
  /** @throws what `full` makes when the folder has no room */
  write(path: string, bytes: Buffer): void;
  move(from: string, to: string): "moved" | "absent" | "exists";
  /** A path that ends with "/" is a folder with all that is in it. */
  remove(path: string): void;
  list(folder: string, after: string, max: number): Page;
  /** Every file, for tests. */
  paths(): string[];
  /** The most names that any folder ever had. */
  readonly folderPeak: number;
}

/** The names of a folder; those of folders end with "/". Sorted only when somebody lists it. */
interface Folder {
  readonly files: Map<string, Buffer | undefined>;
  sorted: string[] | undefined;
}

export function memoryTree(options: MemoryTreeOptions): MemoryTree {
  const folders = new Map<string, Folder>();
  let folderPeak = 0;

  function add(path: string, bytes: Buffer | undefined): void {
    const [folder, name] = splitPath(path);
    let entry = folders.get(folder);
    if (!entry) {
      entry = { files: new Map(), sorted: undefined };
      folders.set(folder, entry);
    }
    if (!entry.files.has(name)) {
      if (entry.files.size >= options.folderMax) throw options.full(folder);
      if (folder !== "") add(`${folder}/`, undefined);
      keepSorted(entry, name);
    }
    entry.files.set(name, bytes);
    folderPeak = Math.max(folderPeak, entry.files.size);
  }

  function removeName(path: string): void {
    const [folder, name] = splitPath(path);
    const entry = folders.get(folder);
    if (!entry?.files.delete(name)) return;
    entry.sorted = undefined;
    if (entry.files.size > 0 || options.keepsEmptyFolders || folder === "") return;
    folders.delete(folder);
    removeName(`${folder}/`);
  }

  const removeFolder = (folder: string): void => {
    for (const name of [...(folders.get(folder)?.files.keys() ?? [])]) {
      if (name.endsWith("/")) removeFolder(`${folder}/${name.slice(0, -1)}`);
      else removeName(`${folder}/${name}`);
    }
    folders.delete(folder);
    removeName(`${folder}/`);
  };

  const read = (path: string) => {
    const [folder, name] = splitPath(path);
    return folders.get(folder)?.files.get(name);
  };
  return {
    read,
    write: add,
    move(from, to) {
      const bytes = read(from);
      if (!bytes) return "absent";
      if (read(to)) return "exists";
      add(to, bytes);
      removeName(from);
      return "moved";
    },
    remove: (path) => (path.endsWith("/") ? removeFolder(path.slice(0, -1)) : removeName(path)),
    list(folder, after, max) {
      const entry = folders.get(folder);
      if (!entry) return { names: [], more: false };
      entry.sorted ??= [...entry.files.keys()].sort();
      const first = firstAfter(entry.sorted, after);
      const names = entry.sorted.slice(first, first + max);
      return { names, more: first + max < entry.sorted.length };
    },
    paths: () =>
      [...folders].flatMap(([folder, { files }]) =>
        [...files.keys()]
          .filter((name) => !name.endsWith("/"))
          .map((name) => (folder === "" ? name : `${folder}/${name}`)),
      ),
    get folderPeak() {
      return folderPeak;
    },
  };
}

/** "a/b/c" is "c" in "a/b"; the folder "a/b/" is "b/" in "a". */
function splitPath(path: string): [folder: string, name: string] {
  const end = path.lastIndexOf("/", path.length - 2);
  return end < 0 ? ["", path] : [path.slice(0, end), path.slice(end + 1)];
}

/** Commits come in order: a listing after each must not sort them all again. */
function keepSorted(folder: Folder, name: string): void {
  const last = folder.sorted?.at(-1);
  if (!folder.sorted) return;
  if (last === undefined || last < name) folder.sorted.push(name);
  else folder.sorted.splice(firstAfter(folder.sorted, name), 0, name);
}

/** Index of the first name behind `after`. Names are ASCII: the order of characters is that of bytes. */
function firstAfter(sorted: readonly string[], after: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? "") <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
