// @ts-check
// Writes poms/lock.json anew from what Maven resolves. To be run after a change of a pom:
//   node deploy/local/setup/lock.mjs [component...]
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { copyDependencies, readLock } from "./components.mjs";
import { lockFile } from "./locked-files.mjs";

const poms = join(dirname(fileURLToPath(import.meta.url)), "..", "poms");
const lock = readLock();
const all = readdirSync(poms)
  .filter((file) => file.endsWith(".xml"))
  .map((file) => file.replace(/\.xml$/, ""));
for (const name of process.argv.length > 2 ? process.argv.slice(2) : all) {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-lock-"));
  await copyDependencies(join(poms, `${name}.xml`), dir);
  /** @type {Record<string, import("./locked-files.mjs").LockedFile>} */
  const files = {};
  const jars = readdirSync(dir).filter((file) => file.endsWith(".jar"));
  for (const file of jars.sort()) files[file] = await lockFile(join(dir, file));
  rmSync(dir, { recursive: true });
  lock[name] = files;
  process.stdout.write(`${name}: ${jars.length} files\n`);
}
writeFileSync(join(poms, "lock.json"), JSON.stringify(lock, undefined, 1) + "\n");
