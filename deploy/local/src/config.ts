import { readConfig, setting, type Config } from "@hybridge/core";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json and .hybridge. */
export const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

/** Where Java components and posts are kept. */
export function cacheDir(): string {
  const given = process.env["HYBRIDGE_CACHE_DIR"] ?? "";
  return resolve(repositoryRoot, given === "" ? ".hybridge/cache" : given);
}

const port = (fallback: number, what: string) => ({
  schema: setting.port(fallback),
  doc: `Port of 127.0.0.1 for ${what}.`,
});

/** Settings of the local cloud; its ports are fixed, so that clients and people find it. */
export const localSettings = {
  HYBRIDGE_CACHE_DIR: {
    schema: setting.optional(),
    doc: "Folder of the downloaded Java programs and posts; .hybridge/cache without it.",
  },
  HYBRIDGE_LOCAL_SOURCE_PORT: port(19092, "the source Kafka"),
  HYBRIDGE_LOCAL_TARGET_PORT: port(29092, "the target Kafka"),
  HYBRIDGE_LOCAL_HDFS_PORT: port(19000, "the NameNode's RPC"),
  HYBRIDGE_LOCAL_WEBHDFS_PORT: port(19870, "WebHDFS"),
  HYBRIDGE_LOCAL_STANDBY_PORT: port(19871, "WebHDFS of the standby NameNode, in a secured cloud"),
  HYBRIDGE_LOCAL_HIVE_PORT: port(20000, "HiveServer2"),
  HYBRIDGE_LOCAL_S3_PORT: port(29090, "the S3 of the cloud side"),
  HYBRIDGE_LOCAL_REDSHIFT_PORT: port(25439, "the Redshift Data API"),
} as const;

/** The settings of the local cloud from the environment. @throws ConfigError */
export function readLocalConfig(): Config<typeof localSettings> {
  const given = Object.keys(localSettings).map((name) => [name, process.env[name]] as const);
  // Only its own names: the program around it may have further settings.
  return readConfig(localSettings, Object.fromEntries(given));
}

/** The java program: the one of JAVA_HOME, else the first on the PATH. */
export function javaProgram(): string {
  return javaTool("java");
}

/** A program beside java: jcmd and jfr, which a JDK has. */
export function javaTool(name: "java" | "jcmd" | "jfr"): string {
  const home = process.env["JAVA_HOME"];
  return home ? join(home, "bin", name) : name;
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

/** The environment of this program, for a process that takes its place. */
export function inheritedEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}
