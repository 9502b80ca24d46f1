// @ts-check
// The Java components: resolved by Maven from the poms, checked against the lock.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { isStamped, verify } from "./locked-files.mjs";
import { startProgress } from "./progress.mjs";

const poms = join(dirname(fileURLToPath(import.meta.url)), "..", "poms");
const PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/** @typedef {import("./locked-files.mjs").LockedFiles} LockedFiles */

/** What is locked, by component. @returns {Record<string, LockedFiles>} */
export function readLock() {
  return JSON.parse(readFileSync(join(poms, "lock.json"), "utf8"));
}

/**
 * The components that have to be fetched or checked.
 * @param {string} cache
 * @param {boolean} thorough compare hashes even where a stamp says that nothing changed
 */
export function staleComponents(cache, thorough) {
  const lock = readLock();
  return Object.keys(lock).filter(
    (name) => thorough || !isStamped(componentDir(cache, name), lock[name] ?? {}),
  );
}

/** @param {string} cache @param {string} name */
export function componentDir(cache, name) {
  return join(cache, "components", name);
}

/**
 * Brings components into the cache, whole and checked. What is there already is kept: a fetch that
 * was cut goes on where it was.
 *
 * @param {string} cache
 * @param {readonly string[]} names
 * @param {(name: string) => string | undefined} requireTool called before Maven is needed
 */
export async function fetchComponents(cache, names, requireTool) {
  const lock = readLock();
  for (const name of names) await fetchComponent(cache, name, lock[name] ?? {}, requireTool);
}

/** @param {string} cache @param {string} name @param {LockedFiles} files @param {(name: string) => string | undefined} requireTool */
async function fetchComponent(cache, name, files, requireTool) {
  const dir = componentDir(cache, name);
  mkdirSync(dir, { recursive: true });
  const total = Object.keys(files).length;
  const checking = startProgress(`check ${name}`, total, "files");
  const before = await verify(dir, files, checking.set);
  checking.end(
    before.missing.length === 0
      ? `${total} files are whole`
      : `${before.missing.length} of ${total} files are missing`,
  );
  if (before.missing.length === 0) return;
  const problem = requireTool("maven");
  if (problem !== undefined) throw new Error(problem);
  const progress = startProgress(`fetch ${name}`, total, "files");
  let downloaded = 0;
  const have = total - before.missing.length;
  await copyDependencies(join(poms, `${name}.xml`), dir, (line) => {
    if (/^(\[INFO\] )?Downloaded .*\.jar /.test(line))
      progress.set(Math.min(total, have + ++downloaded));
  });
  const after = await verify(dir, files);
  if (after.missing.length > 0) {
    progress.end("failed");
    throw new Error(explainMismatch(name, after));
  }
  progress.end(`${total} files, checked`);
}

/** @param {string} name @param {Awaited<ReturnType<typeof verify>>} result */
function explainMismatch(name, { missing, wrong }) {
  const bad = wrong.map(({ file, problem }) => `${file} ${problem}`);
  const rest = missing.filter((file) => !wrong.some((entry) => entry.file === file));
  if (rest.length > 0) bad.push(`not delivered: ${rest.join(", ")}`);
  return (
    `Maven delivered other files for ${name} than deploy/local/poms/lock.json names: ${bad.join("; ")}. ` +
    "A damaged file in Maven's own repository (~/.m2/repository): delete it there and start again"
  );
}

/**
 * Runs Maven's copy-dependencies into `dir`.
 * @param {string} pom
 * @param {string} dir
 * @param {(line: string) => void} onLine
 */
export async function copyDependencies(pom, dir, onLine = () => undefined) {
  const args = ["-B", "-f", pom, PLUGIN, "-DincludeScope=runtime", `-DoutputDirectory=${dir}`];
  const child = spawn("mvn", args, { stdio: ["ignore", "pipe", "ignore"] });
  /** @type {string[]} */
  const problems = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.startsWith("[ERROR]")) problems.push(line.slice(8));
    onLine(line);
  });
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code === 0) return;
  throw new Error(
    `Maven could not fetch the files of ${pom}: ${problems[0] ?? `exit code ${code}`}. ` +
      "What it has fetched is kept; start again when the network is back",
  );
}
