import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

/** A folder of one encoder: any number of processes may share the folder that it is in. */
export interface Staging extends AsyncDisposable {
  /** A new, empty folder in it. */
  folder(): Promise<string>;
}

const PREFIX = "flush-";
/** A living encoder touches its folder; one that nobody has touched for so long is of a dead process. */
const LEFT_BEHIND_MS = 86_400_000;
const TOUCH_EVERY_MS = 3_600_000;

/**
 * Makes a folder with a name of its own, and removes those that killed processes left.
 *
 * @param nowMs wall clock
 */
export async function openStaging(directory: string, nowMs: () => number): Promise<Staging> {
  await mkdir(directory, { recursive: true });
  await sweep(directory, nowMs());
  const own = join(directory, `${PREFIX}${randomUUID()}`);
  await mkdir(own);
  let touchedMs = nowMs();
  let count = 0;
  return {
    async folder() {
      if (nowMs() - touchedMs > TOUCH_EVERY_MS) {
        touchedMs = nowMs();
        await utimes(own, new Date(touchedMs), new Date(touchedMs));
      }
      count += 1;
      const path = join(own, String(count));
      await mkdir(path, { recursive: true });
      return path;
    },
    async [Symbol.asyncDispose]() {
      await rm(own, { recursive: true, force: true });
    },
  };
}

async function sweep(directory: string, nowMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(directory, name);
    // Another process may sweep at the same time.
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && nowMs - found.mtimeMs > LEFT_BEHIND_MS) {
      await rm(path, { recursive: true, force: true });
    }
  }
}
