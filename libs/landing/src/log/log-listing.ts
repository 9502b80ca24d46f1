import type { TableStore } from "../store-port.ts";
import { decodeCheckpoint } from "./checkpoint-codec.ts";
import { LogCorruptError } from "./errors.ts";
import type { LogFold } from "./fold.ts";
import { CHECKPOINTS_FOLDER, checkpointPath, digits, MARKS_FOLDER, numberOf } from "./paths.ts";

/** All names of a folder behind `after`, page by page. */
export async function* namesIn(
  store: TableStore,
  folder: string,
  after: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (let last = after; ;) {
    const page = await store.list(folder, last, signal);
    yield* page.names;
    last = page.names.at(-1) ?? last;
    if (!page.more) return;
  }
}

/** The numbers in the names of a folder, ascending. */
export async function numbersIn(
  store: TableStore,
  folder: string,
  signal: AbortSignal,
): Promise<number[]> {
  const numbers: number[] = [];
  for await (const name of namesIn(store, folder, "", signal)) {
    const number = numberOf(name);
    if (number !== undefined) numbers.push(number);
  }
  return numbers;
}

/** Everything below is read from archives; 0 when nothing is. */
export async function newestMark(store: TableStore, signal: AbortSignal): Promise<number> {
  return (await numbersIn(store, MARKS_FOLDER, signal)).at(-1) ?? 0;
}

/** True when a commit of this number would lie in the archive: what has its name now is nothing. */
export async function isArchived(
  store: TableStore,
  number: number,
  signal: AbortSignal,
): Promise<boolean> {
  const page = await store.list(MARKS_FOLDER, digits(number), signal);
  return page.names.some((name) => (numberOf(name) ?? 0) > number);
}

/**
 * The state in the newest checkpoint, or in one before it when that is damaged.
 *
 * @throws LogCorruptError when all are, LogVersionError
 */
export async function newestCheckpoint(
  store: TableStore,
  signal: AbortSignal,
  damaged: (error: LogCorruptError) => void,
): Promise<LogFold | undefined> {
  let failure: LogCorruptError | undefined;
  for (const number of (await numbersIn(store, CHECKPOINTS_FOLDER, signal)).reverse()) {
    const bytes = await store.read(checkpointPath(number), signal);
    // Removed since it was listed: then there are newer ones, and the next look finds them.
    if (!bytes) return newestCheckpoint(store, signal, damaged);
    try {
      return decodeCheckpoint(bytes, checkpointPath(number));
    } catch (error) {
      if (!(error instanceof LogCorruptError)) throw error;
      failure ??= error;
      damaged(error);
    }
  }
  if (failure) throw failure;
  return undefined;
}
