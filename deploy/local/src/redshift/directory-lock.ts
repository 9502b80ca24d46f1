import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UnavailableError } from "@hybridge/core";

/**
 * Two processes on one PostgreSQL folder destroy it, and PGlite does not check.
 *
 * @throws UnavailableError when a living process has the folder
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  const path = join(directory, "endpoint.pid");
  const owner = Number(await readFile(path, "utf8").catch(() => "0"));
  if (owner > 0 && owner !== process.pid && (await isEndpoint(owner))) {
    throw new UnavailableError(
      `the folder ${directory} is in use by process ${owner}; stop that, or set HYBRIDGE_REDSHIFT_DIR to another`,
    );
  }
  await writeFile(path, String(process.pid));
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/** Process ids are reused after a crash, so where /proc tells it, the command is looked at. */
async function isEndpoint(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "redshift");
  return command.includes("redshift");
}
