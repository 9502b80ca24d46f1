// @ts-check
// npm packages and generated protocol code: brought up to date when they do not fit the sources.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { startProgress } from "./progress.mjs";

/**
 * @typedef {object} LockEntry
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [link]
 * @property {boolean} [optional]
 */

/**
 * Whether node_modules holds what package-lock.json says. npm leaves its own account of what it
 * installed in node_modules/.package-lock.json.
 * @param {string} root
 */
export function packagesAreStale(root) {
  const wanted = readPackages(join(root, "package-lock.json"));
  const installed = readPackages(join(root, "node_modules", ".package-lock.json"));
  return (
    !existsSync(pinnedNode(root)) ||
    Object.entries(wanted).some(([path, entry]) => !isInstalled(root, path, entry, installed[path]))
  );
}

/** @param {string} root @param {string} path @param {LockEntry} wanted @param {LockEntry | undefined} installed */
function isInstalled(root, path, wanted, installed) {
  if (!path.includes("node_modules/")) return true;
  // Packages of other platforms are locked too, and rightly absent.
  if (installed === undefined) return wanted.optional === true;
  const same = wanted.version === installed.version && wanted.integrity === installed.integrity;
  return same && existsSync(join(root, path));
}

/** Runs `npm ci`. @param {string} root */
export async function installPackages(root) {
  const paths = Object.entries(readPackages(join(root, "package-lock.json")))
    .filter(([path, entry]) => path.includes("node_modules/") && !entry.optional)
    .map(([path]) => path);
  const progress = startProgress("npm packages", paths.length, "packages");
  const timer = setInterval(() => {
    progress.set(paths.filter((path) => existsSync(join(root, path))).length);
  }, 500);
  const args = [
    "ci",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--include=dev",
    "--include=optional",
  ];
  const child = spawn("npm", args, { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).finally(() => {
    clearInterval(timer);
  });
  if (code !== 0) {
    progress.end("failed");
    throw new Error(
      `npm ci failed (exit code ${code}); start again when this is repaired:\n${errors.trim()}`,
    );
  }
  progress.end(`${paths.length} packages`);
}

/** The Node.js that runs everything, whatever the machine has. @param {string} root */
export function pinnedNode(root) {
  return join(root, "node_modules", ".bin", "node");
}

/** Whether the generated code is missing or of other .proto files. @param {string} root */
export function protocolsAreStale(root) {
  const generated = ["gen", "dist/descriptor.binpb"].every((path) =>
    existsSync(join(root, "proto", path)),
  );
  return !generated || readText(protocolStamp(root)) !== protocolDigest(root);
}

/** @param {string} root */
export function generateProtocols(root) {
  const result = spawnSync(pinnedNode(root), [join(root, "proto", "generate.mjs")], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (result.status !== 0) throw new Error("the protocol code could not be generated; see above");
  const stamp = protocolStamp(root);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, protocolDigest(root));
}

/** @param {string} root */
function protocolStamp(root) {
  return join(root, "proto", "dist", ".generated-from");
}

/** Of everything that the generated code depends on. @param {string} root */
function protocolDigest(root) {
  const proto = join(root, "proto");
  const files = readdirSync(join(proto, "hybridge"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".proto"))
    .map((file) => join("hybridge", file));
  const hash = createHash("sha256");
  for (const file of ["buf.yaml", "buf.gen.yaml", "generate.mjs", ...files.sort()]) {
    hash.update(`${file}\n`).update(readText(join(proto, file)));
  }
  const { "node_modules/ts-proto": plugin } = readPackages(join(root, "package-lock.json"));
  return hash.update(plugin?.version ?? "").digest("hex");
}

/** @param {string} file @returns {Record<string, LockEntry>} */
function readPackages(file) {
  const text = readText(file);
  return text === "" ? {} : (JSON.parse(text).packages ?? {});
}

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
