import { failpoint, retry, Semaphore, type Clock } from "@hybridge/core";
import type { Draft, TableStore } from "../store-port.ts";
import { encodeCommit } from "./commit-codec.ts";
import type { Upload } from "./commit-content.ts";
import { inParallel } from "./in-parallel.ts";
import { draftPath, stagingFolder } from "./paths.ts";
import type { Commit } from "./protocol.ts";

const MOVES_MAX = 8;
const UPLOAD_TRIES = 4;
/** Of these a few use the whole line; small ones wait for answers most of the time. */
const LARGE_BYTES = 1_048_576;
const LARGE_MAX = 4;

/** Where a store that can rename keeps the file of a draft until it is committed. */
export function stagedPath(commit: Commit, index: number): string {
  return `${stagingFolder(commit.base, commit.id)}/${index}`;
}

/** The draft first, since it names every file; then the files, verified. */
export async function stage(
  store: TableStore,
  commit: Commit,
  uploads: readonly Upload[],
  options: { readonly uploadsMax: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Draft> {
  const { clock, signal, uploadsMax } = options;
  failpoint("landing-log.before-draft");
  const body = encodeCommit(commit);
  const draft = await store.draft(draftPath(commit.base, commit.id), body, signal);
  failpoint("landing-log.after-draft");
  const upload = async ({ path, local }: Upload, index: number) => {
    const target = store.moves ? stagedPath(commit, index) : path;
    await retry(() => store.upload(target, local, signal), { signal, clock, tries: UPLOAD_TRIES });
    failpoint("landing-log.after-upload");
  };
  const large = new Semaphore(LARGE_MAX);
  await inParallel(uploads, uploadsMax, (each, index) =>
    each.local.bytes < LARGE_BYTES
      ? upload(each, index)
      : large.run(() => upload(each, index), signal),
  );
  return draft;
}

/** What the files of a commit are called, in the order of its body: a file, then its raw sibling. */
export function pathsOf(commit: Commit): string[] {
  return commit.actions.flatMap((action) =>
    "files" in action
      ? action.files.flatMap((file) => (file.raw ? [file.path, file.raw.path] : [file.path]))
      : [],
  );
}

/**
 * Gives the files of a counted commit their names. May be done again, by anybody.
 *
 * @param isFirst nobody has done it before: the files are staged still
 * @returns paths that were staged until now, and those that are neither staged nor at their place
 */
export async function publishFiles(
  store: TableStore,
  commit: Commit,
  isFirst: boolean,
  signal: AbortSignal,
): Promise<{ readonly moved: readonly string[]; readonly missing: readonly string[] }> {
  const moved: string[] = [];
  const missing: string[] = [];
  const isThere = async (path: string) => (await store.size(path, signal)) !== undefined;
  await inParallel(pathsOf(commit), MOVES_MAX, async (path, index) => {
    if (!isFirst && (await isThere(path))) return;
    if (!store.moves) {
      if (!isFirst) missing.push(path);
      return;
    }
    const outcome = await store.move(stagedPath(commit, index), path, signal);
    failpoint("landing-log.after-move");
    if (outcome === "moved") moved.push(path);
    else if (outcome === "absent" && !(await isThere(path))) missing.push(path);
  });
  return { moved, missing };
}

/** The staging of a commit that is published. */
export async function removeStaging(
  store: TableStore,
  { base, id }: { readonly base: number; readonly id: string },
  signal: AbortSignal,
): Promise<void> {
  const draft = draftPath(base, id);
  await store.remove(store.moves ? [`${stagingFolder(base, id)}/`, draft] : [draft], signal);
}

/** The files of a draft that is never to be committed. */
export async function removeFiles(
  store: TableStore,
  commit: Commit,
  signal: AbortSignal,
): Promise<void> {
  const paths = store.moves ? [`${stagingFolder(commit.base, commit.id)}/`] : pathsOf(commit);
  if (paths.length > 0) await store.remove(paths, signal);
}
