// Refuses changes of the protocols that break clients: compares with the newest release tag, or,
// before the first release, with what the checkout was made from.
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const git = (...args) => execFileSync("git", args, { cwd: here, encoding: "utf8" }).trim();

const [tag] = git("tag", "--list", "v*", "--sort=-version:refname").split("\n");
const baseline = git("rev-parse", tag || "HEAD");
const repository = join(git("rev-parse", "--git-common-dir"));
execFileSync(
  join(here, "..", "node_modules", ".bin", "buf"),
  ["breaking", "--against", `${repository}#ref=${baseline},subdir=proto`],
  { cwd: here, stdio: "inherit" },
);
