// Where things of the log lie, relative to the table's folder: docs/landing-log.md.

export const LOG_FOLDER = "_log";
export const MARKS_FOLDER = "_log/marks";
export const CHECKPOINTS_FOLDER = "_log/checkpoints";
export const STAGING_FOLDER = "_staging";

/** Commits in an archive, and in a list of removed files. */
export const BLOCK_COMMITS = 1_000;
/** A checkpoint is made of the state after each number that this divides. */
export const CHECKPOINT_COMMITS = 100;

/** 20 digits: names sort as their numbers. */
export function digits(number: number): string {
  return String(number).padStart(20, "0");
}

export function blockOf(number: number): number {
  return number - (number % BLOCK_COMMITS);
}

export const commitName = (number: number) => `${digits(number)}.json`;
export const commitPath = (number: number) => `${LOG_FOLDER}/${commitName(number)}`;
export const markPath = (number: number) => `${MARKS_FOLDER}/${digits(number)}`;
export const checkpointPath = (number: number) => `${CHECKPOINTS_FOLDER}/${digits(number)}.json.gz`;
export const draftPath = (base: number, id: string) => `${stagingFolder(base, id)}.json`;
export const catalogPath = (name: string) => `_log/catalogs/${name}.json`;

/** Files of a draft lie in it, named by their place: only where the store can rename. */
export const stagingFolder = (base: number, id: string) =>
  `${STAGING_FOLDER}/${digits(base)}-${id}`;

export const archivePath = (block: number) =>
  `_log/archive/${thousands(block)}/${digits(block)}.ndjson.gz`;

/** The folder of the lists of removed files of a block, without a slash at its end. */
export const removedFolder = (block: number) => `_log/removed/${thousands(block)}`;
export const removedName = (block: number, checkpoint: number) =>
  `${digits(block)}-${digits(checkpoint)}.json.gz`;

/** A folder for each million commits, so that none holds more than a few thousand names. */
function thousands(number: number): string {
  return String(Math.trunc(number / 1_000_000)).padStart(14, "0");
}

/** The number in a name of a commit, mark or checkpoint; undefined for other names. */
export function numberOf(name: string): number | undefined {
  const text = /^(\d{20})(?:\.json|\.json\.gz|)$/.exec(name)?.[1];
  return text === undefined ? undefined : Number(text);
}

/** Base and id of a draft (`.json`) or of its folder (`/`). */
export function stagingOf(
  name: string,
): { readonly base: number; readonly id: string; readonly isFolder: boolean } | undefined {
  const [, base, id, end] = /^(\d{20})-([0-9a-f]{32})(\.json|\/)$/.exec(name) ?? [];
  if (base === undefined || id === undefined) return undefined;
  return { base: Number(base), id, isFolder: end === "/" };
}
