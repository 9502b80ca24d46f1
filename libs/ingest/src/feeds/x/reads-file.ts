import { open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { failpoint } from "@hybridge/core";
import { z } from "zod";
import { ReadsFileError } from "./errors.ts";
import type { ReadsOfMonth, ReadsStore } from "./read-budget.ts";

const shape = z.object({ since: z.iso.datetime(), reads: z.int().nonnegative() });

/**
 * The count of reads as a file: written beside, forced to the disk and renamed, so that a crash
 * leaves the former count or the new one.
 */
export function readsFile(path: string): ReadsStore {
  return {
    async load() {
      const text = await readIfAny(path);
      return text === undefined ? undefined : parse(path, text);
    },
    async save(reads) {
      try {
        await replace(path, `${JSON.stringify(reads)}\n`);
      } catch (cause) {
        throw new ReadsFileError(
          `the count of posts read from X could not be written to ${path}; without it the month's bound cannot be kept: check the disk and the rights of the folder`,
          { cause },
        );
      }
    },
  };
}

async function readIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new ReadsFileError(
      `the count of posts read from X could not be read from ${path}: check the rights of the file`,
      { cause },
    );
  }
}

function parse(path: string, text: string): ReadsOfMonth {
  try {
    return shape.parse(JSON.parse(text));
  } catch (cause) {
    throw new ReadsFileError(
      `${path} holds no count of posts read from X: put {"since":"<ISO time of the month's first day>","reads":<posts>} there, or delete it to count from nothing`,
      { cause },
    );
  }
}

async function replace(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  {
    await using file = await open(fresh, "w");
    await file.writeFile(text);
    await file.sync();
  }
  failpoint("ingest.reads.before-rename");
  await rename(fresh, path);
  await using folder = await open(join(dirname(path)), "r");
  await folder.sync();
  failpoint("ingest.reads.written");
}
