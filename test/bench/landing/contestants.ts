import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { serviceEnvironment, serviceFlags } from "@hybridge/core";
import { javaProgram } from "../mirror/machine.ts";
import { cpuSeconds, rssPeakMb } from "../mirror/process-usage.ts";

/** One run of one job over the topic. */
export interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssPeakMb: number;
}

export interface Contest {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  /** WebHDFS and RPC address of the same HDFS. */
  readonly webhdfs: string;
  readonly hdfs: string;
  /** Absolute path in HDFS, new for each run. */
  readonly folder: string;
  /** Local folder for logs and staging. */
  readonly dir: string;
  readonly signal: AbortSignal;
}

export type Contestant = (contest: Contest) => Promise<Run>;

interface Moment {
  readonly atMs: number;
  readonly cpu: number;
}

function now(child: ChildProcess): Moment {
  return { atMs: performance.now(), cpu: cpuSeconds(child.pid ?? 0) };
}

function between(child: ChildProcess, begin: Moment, end: Moment): Run {
  return {
    seconds: (end.atMs - begin.atMs) / 1000,
    cpuSeconds: end.cpu - begin.cpu,
    rssPeakMb: rssPeakMb(child.pid ?? 0),
  };
}

/** Arguments of Node that start warehouse-internal, as `npm start` does. */
export const HYBRIDGE: readonly string[] = [
  ...serviceFlags,
  fileURLToPath(new URL("../../../apps/warehouse-internal/src/main.ts", import.meta.url)),
];

/** No Hive is there: it lands nevertheless. */
export function warehouseEnvironment(contest: Contest): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    ...serviceEnvironment,
    HYBRIDGE_SOURCE_BOOTSTRAP: contest.bootstrap,
    HYBRIDGE_TOPIC: contest.topic,
    HYBRIDGE_WEBHDFS_URL: contest.webhdfs,
    HYBRIDGE_HDFS_DIR: contest.folder,
    HYBRIDGE_HIVE: "127.0.0.1:1",
    HYBRIDGE_STAGING_DIR: join(contest.dir, "staging"),
    HYBRIDGE_FLUSH_INTERVAL_MS: "5000",
    HYBRIDGE_TRACE_RATIO: "0",
    HYBRIDGE_RPC_PORT: "0",
    ...given(),
  };
}

/**
 * warehouse-internal as it is started anywhere, from when it serves to the commit of the last record.
 * Its partitions are given, so that no group is waited for.
 */
export const hybridge: Contestant = async (contest) => {
  const { partitions, records, signal } = contest;
  const child = spawn(process.execPath, HYBRIDGE, {
    env: { ...warehouseEnvironment(contest), HYBRIDGE_PARTITIONS: `0-${partitions - 1}` },
    stdio: ["ignore", "ignore", "pipe"],
    signal,
  });
  return await watch(child, records, (line, begun) => {
    if (line.includes('"event":"service.listening"')) begun();
    const rows = /"event":"flush\.landed".*"rows":(\d+)/.exec(line)?.[1];
    return Number(rows ?? 0);
  });
};

/** Those of the benchmark's own environment: to try one out. */
function given(): Record<string, string> {
  const found = Object.entries(process.env).filter(([name]) => name.startsWith("HYBRIDGE_"));
  return Object.fromEntries(found.map(([name, value]) => [name, value ?? ""]));
}

/** @param form parquet, or text: the values alone, gzip. @param perTrigger records; 0 is all at once */
export function spark(jars: string, form: "parquet" | "text", perTrigger: number): Contestant {
  return async ({ bootstrap, topic, hdfs, folder, dir, signal }) => {
    const program = fileURLToPath(new URL("SparkLanding.java", import.meta.url));
    const place = `${hdfs}${folder}/spark`;
    const job = [bootstrap, topic, place, form, String(perTrigger)];
    mkdirSync(dir, { recursive: true });
    const log = openSync(join(dir, "spark.log"), "a");
    const child = spawn(
      javaProgram(),
      ["-Xmx2g", ...OPENED, "-cp", join(jars, "*"), program, ...job],
      { stdio: ["pipe", "pipe", log], signal, env: { ...process.env, HADOOP_USER_NAME: user() } },
    );
    closeSync(log);
    return await watch(child, 1, (line, begun) => {
      if (line === "BEGIN") begun();
      return line === "END" ? 1 : 0;
    });
  };
}

function user(): string {
  return process.env["USER"] ?? "root";
}

/** What Spark needs of Java 17 (its own bin/java-opts). */
const OPENED = [
  "java.lang",
  "java.lang.invoke",
  "java.lang.reflect",
  "java.io",
  "java.net",
  "java.nio",
  "java.util",
  "java.util.concurrent",
  "java.util.concurrent.atomic",
  "sun.nio.ch",
  "sun.nio.cs",
  "sun.security.action",
  "sun.util.calendar",
].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`);

/** @param done what a line adds to the work that is done, `all` of it at the end; `begun` ends the start-up */
async function watch(
  child: ChildProcess,
  all: number,
  done: (line: string, begun: () => void) => number,
): Promise<Run> {
  const ended = once(child, "close");
  ended.catch(() => undefined);
  let begin: Moment | undefined;
  let soFar = 0;
  const last: string[] = [];
  try {
    for await (const line of createInterface(child.stdout ?? (child.stderr as never))) {
      last.push(line);
      if (last.length > 20) last.shift();
      soFar += done(line, () => (begin ??= now(child)));
      if (begin && soFar >= all) {
        const run = between(child, begin, now(child));
        // The names of the last files follow their commit by a moment.
        child.kill("SIGTERM");
        await ended.catch(() => undefined);
        return run;
      }
    }
    throw new Error(`it ended before it was done:\n${last.join("\n")}`);
  } finally {
    child.kill("SIGKILL");
    await ended.catch(() => undefined);
  }
}
