import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
/** The last commit that landed by the ledger of version 0. */
const FORMER_COMMIT = "4075840";

/**
 * Unpacks the former version into a folder, from the repository's own history, so that it can run
 * beside this one. @returns why it cannot be had: a shallow clone has no history
 */
export function unpackFormerVersion(folder: string): string | undefined {
  mkdirSync(folder, { recursive: true });
  let archive: Buffer;
  try {
    archive = execFileSync("git", ["archive", FORMER_COMMIT], {
      cwd: root,
      stdio: "pipe",
      maxBuffer: 256 << 20,
    });
  } catch (error) {
    return `the history has no commit ${FORMER_COMMIT}: ${String(error).split("\n")[0]}`;
  }
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  cpSync(join(root, "proto/gen"), join(folder, "proto/gen"), { recursive: true });
  cpSync(join(root, "proto/dist"), join(folder, "proto/dist"), { recursive: true });
  linkPackages(folder);
  return undefined;
}

/** Packages of others are shared; those of the repository are the former version's own. */
function linkPackages(folder: string): void {
  const packages = join(folder, "node_modules");
  mkdirSync(join(packages, "@hybridge"), { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name === "@hybridge" || name.startsWith(".")) continue;
    symlinkSync(join(root, "node_modules", name), join(packages, name));
  }
  for (const part of ["libs", "apps"]) {
    for (const name of readdirSync(join(folder, part))) {
      symlinkSync(join(folder, part, name), join(packages, "@hybridge", name));
    }
  }
  symlinkSync(join(folder, "proto"), join(packages, "@hybridge/proto"));
}
