// @ts-check
// Folders whose files are locked: their names, sizes and SHA-256 are committed. A folder that was
// checked once carries a stamp with the size and time of every file, so that the next check costs
// a few milliseconds; without a stamp, or with a changed file, the hashes are computed.
import { createHash } from "node:crypto";
import {
  createReadStream,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

/** @typedef {{ readonly bytes: number, readonly sha256: string }} LockedFile */
/** @typedef {Readonly<Record<string, LockedFile>>} LockedFiles */

export const STAMP = ".verified.json";

/**
 * Whether the folder was found whole before and did not change since.
 * @param {string} dir
 * @param {LockedFiles} files
 */
export function isStamped(dir, files) {
  try {
    const stamp = JSON.parse(readFileSync(join(dir, STAMP), "utf8"));
    return stamp.lock === lockDigest(files) && stamp.state === stateOf(dir, files);
  } catch {
    return false;
  }
}

/**
 * Compares every file with the lock, and removes what differs and what the lock does not name. When
 * nothing is missing then, the folder is stamped.
 *
 * @param {string} dir
 * @param {LockedFiles} files
 * @param {(done: number) => void} onFile told after each file
 * @returns {Promise<{ missing: string[], wrong: { file: string, problem: string }[] }>}
 */
export async function verify(dir, files, onFile = () => undefined) {
  rmSync(join(dir, STAMP), { force: true });
  removeStrangers(dir, files);
  const missing = [];
  const wrong = [];
  let done = 0;
  for (const [file, locked] of Object.entries(files)) {
    const path = join(dir, file);
    const problem = await problemOf(path, locked);
    if (problem !== undefined) {
      if (problem !== "missing") {
        wrong.push({ file, problem });
        rmSync(path, { force: true });
      }
      missing.push(file);
    }
    onFile(++done);
  }
  if (missing.length === 0) {
    const stamp = { lock: lockDigest(files), state: stateOf(dir, files) };
    writeFileSync(join(dir, STAMP), JSON.stringify(stamp) + "\n");
  }
  return { missing, wrong };
}

/** @param {string} path @returns {Promise<LockedFile>} */
export async function lockFile(path) {
  return { bytes: statSync(path).size, sha256: await sha256(path) };
}

/** @param {string} path */
export async function sha256(path) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/** @param {string} path @param {LockedFile} locked */
async function problemOf(path, locked) {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return "missing";
  if (size !== locked.bytes) return `has ${size} bytes, not ${locked.bytes}`;
  const digest = await sha256(path);
  return digest === locked.sha256 ? undefined : `has SHA-256 ${digest}, not ${locked.sha256}`;
}

/** @param {string} dir @param {LockedFiles} files */
function removeStrangers(dir, files) {
  let entries;
  try {
    entries = readdirSync(dir);
  } catch {
    return;
  }
  for (const entry of entries) {
    if (!(entry in files)) rmSync(join(dir, entry), { recursive: true, force: true });
  }
}

/** @param {LockedFiles} files */
function lockDigest(files) {
  return createHash("sha256").update(JSON.stringify(files)).digest("hex");
}

/** @param {string} dir @param {LockedFiles} files */
function stateOf(dir, files) {
  const hash = createHash("sha256");
  for (const file of Object.keys(files)) {
    const { size, mtimeMs } = statSync(join(dir, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}
