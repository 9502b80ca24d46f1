// @ts-check
// Real posts for the replay. They ship as test data in the npm package simdjson; they are fetched
// at set-up and never committed. Three of its files hold statuses that no other of them holds.
import { spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { isStamped, verify } from "./locked-files.mjs";
import { startProgress } from "./progress.mjs";

const PACKAGE = "simdjson@0.9.2";

/** The file in the package, by the name that it gets. */
const MEMBERS = {
  "twitter.json": "package/jsonexamples/twitter.json",
  "twitter_timeline.json": "package/jsonexamples/small/twitter_timeline.json",
  "twitter_api_response.json":
    "package/jsonexamples/small/jsoniter_scala/twitter_api_response.json",
};

/** @type {import("./locked-files.mjs").LockedFiles} */
const LOCK = {
  "twitter.json": {
    bytes: 631514,
    sha256: "a08b769f32b95f426cbc3abafcec65c1a19d3eb544d4ddf320eae142c99efc5d",
  },
  "twitter_timeline.json": {
    bytes: 42233,
    sha256: "ed697fa6a99dfd15f48244a209aab8f42e992489256f76a8c4f73102ecd52dcc",
  },
  "twitter_api_response.json": {
    bytes: 15253,
    sha256: "6a3e429f558a6a8517b94b4e84830ff2901176c1c5724db98e72248eedcc6ea5",
  },
};

/** @param {string} cache @param {boolean} thorough */
export function postsAreStale(cache, thorough) {
  return thorough || !isStamped(join(cache, "posts"), LOCK);
}

/** Fetches and checks the posts. @param {string} cache */
export async function fetchPosts(cache) {
  const dir = join(cache, "posts");
  mkdirSync(dir, { recursive: true });
  if ((await verify(dir, LOCK)).missing.length === 0) return;
  const progress = startProgress("fetch posts", Object.keys(LOCK).length, "files");
  // Beside the target, so that a rename moves a file in one step.
  const work = mkdtempSync(join(cache, "posts-"));
  try {
    const tar = gunzipSync(readFileSync(await pack(work)));
    let done = 0;
    for (const [name, member] of Object.entries(MEMBERS)) {
      writeFileSync(join(work, name), readMember(tar, member));
      renameSync(join(work, name), join(dir, name));
      progress.set(++done);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const { missing, wrong } = await verify(dir, LOCK);
  if (missing.length > 0) {
    progress.end("failed");
    const what = wrong.map(({ file, problem }) => `${file} ${problem}`).join("; ");
    throw new Error(`the posts in npm's ${PACKAGE} are not the expected ones: ${what}`);
  }
  progress.end(`${Object.keys(LOCK).length} files, checked`);
}

/** Lets npm fetch the package. @param {string} dir @returns {Promise<string>} path of the archive */
async function pack(dir) {
  const args = ["pack", PACKAGE, "--pack-destination", dir, "--silent", "--ignore-scripts"];
  const child = spawn("npm", args, { stdio: ["ignore", "ignore", "inherit"] });
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const archive = readdirSync(dir).find((file) => file.endsWith(".tgz"));
  if (code === 0 && archive !== undefined) return join(dir, archive);
  throw new Error(
    `npm could not fetch ${PACKAGE} (exit code ${code}); start again when the network is back`,
  );
}

/**
 * The bytes of one file of a tar archive. Only plain files with short names, as npm writes them.
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html (ustar interchange format)
 * @param {Buffer} tar
 * @param {string} wanted
 */
export function readMember(tar, wanted) {
  for (let at = 0; at + 512 <= tar.length;) {
    const text = (/** @type {number} */ from, /** @type {number} */ length) =>
      tar.toString("utf8", at + from, at + from + length).replace(/\0.*$/s, "");
    const name = text(0, 100);
    if (name === "") break;
    const size = Number.parseInt(text(124, 12).trim(), 8);
    if (name === wanted) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`${basename(wanted)} is not in the archive`);
}
