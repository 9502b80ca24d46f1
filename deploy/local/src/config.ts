import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json and .hybridge. */
export const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

/** Where Java components and posts are kept; HYBRIDGE_CACHE_DIR overrides .hybridge/cache. */
export function cacheDir(): string {
  return resolve(process.env["HYBRIDGE_CACHE_DIR"] || join(repositoryRoot, ".hybridge/cache"));
}

/** The java program: the one of JAVA_HOME, else the first on the PATH. */
export function javaProgram(): string {
  const home = process.env["JAVA_HOME"];
  return home ? join(home, "bin/java") : "java";
}

/**
 * The environment of every component: what a program needs to run at all, and nothing that could
 * change what it does (JAVA_TOOL_OPTIONS, HADOOP_ and HIVE_ settings of the machine).
 */
export function componentEnvironment(): Record<string, string> {
  const env: Record<string, string> = { LANG: "C.UTF-8", HOME: homedir() };
  for (const name of ["PATH", "JAVA_HOME", "TMPDIR", "LD_LIBRARY_PATH"]) {
    const value = process.env[name];
    if (value) env[name] = value;
  }
  return env;
}
