import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const COMMITS = {
  /** The last one that landed by the ledger of version 0. */
  ledger: "4075840",
  /** The first one whose both warehouses land on the log. */
  log: "3e276eb",
};

/**
 * Unpacks an earlier version into a folder, from the repository's own history, so that it can run
 * beside this one. @returns why it cannot be had: a shallow clone has no history
 */
export function unpackEarlierVersion(
  version: keyof typeof COMMITS,
  folder: string,
): string | undefined {
  const commit = COMMITS[version];
  mkdirSync(folder, { recursive: true });
  let archive: Buffer;
  try {
    archive = execFileSync("git", ["archive", commit], {
      cwd: root,
      stdio: "pipe",
      maxBuffer: 256 << 20,
    });
  } catch (error) {
    return `the history has no commit ${commit}: ${String(error).split("\n")[0]}`;
  }
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  cpSync(join(root, "proto/gen"), join(folder, "proto/gen"), { recursive: true });
  cpSync(join(root, "proto/dist"), join(folder, "proto/dist"), { recursive: true });
  linkPackages(folder);
  return undefined;
}

/** Packages of others are shared; those of the repository are the earlier version's own. */
function linkPackages(folder: string): void {
  const packages = join(folder, "node_modules");
  mkdirSync(join(packages, "@hybridge"), { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name === "@hybridge" || name.startsWith(".")) continue;
    symlinkSync(join(root, "node_modules", name), join(packages, name));
  }
  for (const part of ["libs", "apps"]) {
    for (const name of readdirSync(join(folder, part))) {
      const own = join(folder, part, name);
      const text = readFileSync(join(own, "package.json"), "utf8");
      symlinkSync(own, join(packages, (JSON.parse(text) as { name: string }).name));
    }
  }
  symlinkSync(join(folder, "proto"), join(packages, "@hybridge/proto"));
}
