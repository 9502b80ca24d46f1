import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheDir, componentEnvironment, javaProgram } from "./config.ts";
import { ComponentsMissingError } from "./errors.ts";

/** The Java programs that come from Maven Central; each has a pom and a lock under poms/. */
export type JavaComponent = "kafka" | "hdfs" | "hive" | "s3";

export interface JavaProgram {
  /** Folders before the jars on the classpath: the configuration. */
  readonly before?: readonly string[];
  /** Names the file of its arguments. */
  readonly name: string;
  readonly component: JavaComponent;
  readonly main: string;
  readonly args?: readonly string[];
  readonly heapMb: number;
  readonly options?: readonly string[];
  /** A folder for temporary files; the JVM writes none elsewhere. */
  readonly tmpDir: string;
}

/** The folder of a component's jars. @throws ComponentsMissingError */
export function jarDir(component: JavaComponent): string {
  const dir = join(cacheDir(), "components", component);
  // The set-up leaves this stamp when it has checked every file.
  if (!existsSync(join(dir, ".verified.json"))) {
    throw new ComponentsMissingError(
      `the Java programs of ${component} are not in ${dir}; \`npm run setup\` fetches them`,
    );
  }
  return dir;
}

/**
 * The command line of a JVM that stays small. The arguments are in a file beside its temporary
 * folder: a classpath is 20 kB long, and `ps` stays readable.
 */
export function javaCommand(program: JavaProgram): { command: string; args: string[] } {
  mkdirSync(program.tmpDir, { recursive: true });
  const file = join(dirname(program.tmpDir), `${program.name}.args`);
  writeFileSync(file, javaArguments(program).map(quote).join("\n") + "\n");
  return { command: javaProgram(), args: [`@${file}`] };
}

/** @see https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html#java-command-line-argument-files */
function quote(argument: string): string {
  return `"${argument.replace(/["\\]/g, "\\$&")}"`;
}

function javaArguments(program: JavaProgram): string[] {
  return [
    `-Xmx${program.heapMb}m`,
    "-Xss512k",
    "-XX:+UseSerialGC",
    // Only the quick compiler: a start costs half of the CPU. A benchmark wants "=4" after it.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    `-Djava.io.tmpdir=${program.tmpDir}`,
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.awt.headless=true",
    ...(program.options ?? []),
    "-cp",
    [...(program.before ?? []), ...jars(program.component)].join(":"),
    program.main,
    ...(program.args ?? []),
  ];
}

/** With few malloc arenas a JVM with many threads holds a third less memory. */
export function javaEnvironment(): Record<string, string> {
  return { ...componentEnvironment(), MALLOC_ARENA_MAX: "2" };
}

/**
 * In the order of their names, so that a class that two jars hold is always the same one; the
 * runner of Jetty, which holds a whole Jetty of an older version, comes last.
 */
function jars(component: JavaComponent): string[] {
  const dir = jarDir(component);
  const files = readdirSync(dir).filter((file) => file.endsWith(".jar"));
  const isLast = (file: string) => Number(file.startsWith("jetty-runner"));
  files.sort((a, b) => isLast(a) - isLast(b) || (a < b ? -1 : 1));
  return files.map((file) => join(dir, file));
}

/**
 * Hadoop and Hive reflect into the JDK. @see https://issues.apache.org/jira/browse/HADOOP-17177
 */
export const openedPackages: readonly string[] = [
  "java.lang",
  "java.util",
  "java.nio",
  "java.net",
  "java.util.concurrent",
  "java.util.concurrent.atomic",
  "java.util.regex",
  "java.lang.reflect",
  "java.io",
  "java.time",
  "sun.nio.ch",
  "java.math",
].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`);
