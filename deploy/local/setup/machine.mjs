// @ts-check
// What has to be on the machine before anything is started. Each problem is one line with its
// remedy, and all of them are told at once.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

export const NODE_LEAST = "20.19.0";
export const JAVA_LEAST = 17;

/** @typedef {"java" | "maven" | "npm"} Tool */
/** @typedef {Readonly<Record<string, string | undefined>>} Environment */

/**
 * @param {readonly Tool[]} tools the tools that this run needs
 * @param {Environment} env
 * @returns {string[]} one line for each problem; empty: the machine has all
 */
export function machineProblems(tools, env) {
  const checks = { java: javaProblem, maven: mavenProblem, npm: npmProblem };
  return [nodeProblem(process.versions.node), ...tools.map((tool) => checks[tool](env))].filter(
    (problem) => problem !== undefined,
  );
}

/** @param {string} version @returns {string | undefined} */
export function nodeProblem(version) {
  if (!isOlder(version, NODE_LEAST)) return undefined;
  return `Node.js ${version} is too old: ${NODE_LEAST} or later is needed (https://nodejs.org/download)`;
}

/** @param {Environment} env @returns {string | undefined} */
export function javaProblem(env) {
  const remedy = `Java ${JAVA_LEAST} or later is needed (Debian and Ubuntu: apt-get install openjdk-17-jre-headless)`;
  const home = env["JAVA_HOME"];
  const program = home ? join(home, "bin", "java") : "java";
  if (home && !existsSync(program)) {
    return `JAVA_HOME is ${home}, where there is no bin/java: correct or unset it; ${remedy}`;
  }
  const { error, stderr } = spawnSync(program, ["-version"], { encoding: "utf8", env });
  if (error) return `java was not found: ${remedy}`;
  const version = javaVersion(stderr);
  if (version >= JAVA_LEAST) return undefined;
  const from = home ? `${program} (from JAVA_HOME)` : "java";
  return version === 0
    ? `${from} does not tell its version: ${remedy}`
    : `${from} is version ${version}, too old: ${remedy}, or set JAVA_HOME to one`;
}

/**
 * The major version in the output of `java -version`; 0 when there is none.
 * @param {string} output
 */
export function javaVersion(output) {
  const match = /version "(?:1\.)?(\d+)/.exec(output);
  return Number(match?.[1] ?? 0);
}

/** @param {Environment} env @returns {string | undefined} */
function mavenProblem(env) {
  if (runs("mvn", env)) return undefined;
  return "mvn (Maven) was not found; it fetches the Java components (Debian and Ubuntu: apt-get install maven)";
}

/** @param {Environment} env @returns {string | undefined} */
function npmProblem(env) {
  if (runs("npm", env)) return undefined;
  return "npm was not found; it fetches the packages (it comes with Node.js; Debian and Ubuntu: apt-get install npm)";
}

/** Whether the PATH has the program; it is not started. @param {string} program @param {Environment} env */
function runs(program, env) {
  return (env["PATH"] ?? "").split(":").some((dir) => dir !== "" && existsSync(join(dir, program)));
}

/** @param {string} version @param {string} least */
function isOlder(version, least) {
  const [a, b] = [version, least].map((text) => text.split(".").map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
