import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serviceEnvironment, serviceFlags } from "@hybridge/core";
import { javaProgram, kafkaJars } from "./machine.ts";
import { writeMirrorMakerConfig, type MirrorMakerAim } from "./mirror-maker.ts";

/** A mirror at work. Leaving its scope stops it. */
export interface Contestant extends AsyncDisposable {
  readonly name: "MirrorMaker 2" | "Hybridge";
  readonly pid: number;
  readonly targetTopic: string;
  /** Offsets of a target partition that hold no record: never more in a run without faults. */
  readonly fencesPerPartition: number;
  /** Aborted, with the reason, when it ends by itself. */
  readonly ended: AbortSignal;
}

export interface Contest {
  /** host:port */
  readonly source: string;
  readonly target: string;
  readonly topic: string;
  /** What tells this run from the others over the same topic. */
  readonly run: string;
  readonly dir: string;
}

const STOP_MS = 20_000;
/**
 * The process must not outlive us, not even when we are killed: a shell in its group waits at a
 * pipe that only we hold, and kills the group when it closes. The other becomes the program itself.
 */
const LEASHED = `(read -r _ <&3; kill -KILL -$$) </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`;

export function startHybridge(contest: Contest): Contestant {
  const { source, target, topic, run, dir } = contest;
  const main = fileURLToPath(new URL("../../../apps/mirror/src/main.ts", import.meta.url));
  const prefix = `hybridge-${run}-`;
  const env = {
    HYBRIDGE_SOURCE_BOOTSTRAP: source,
    HYBRIDGE_TARGET_BOOTSTRAP: target,
    HYBRIDGE_TOPICS: topic,
    HYBRIDGE_TARGET_PREFIX: prefix,
    HYBRIDGE_MIRROR_ID: `bench-${run}`,
    ...serviceEnvironment,
    ...hybridgeSettings(),
  };
  return start(
    process.execPath,
    [...serviceFlags, main],
    env,
    join(dir, `hybridge-${topic}-${run}.log`),
    {
      name: "Hybridge",
      targetTopic: prefix + topic,
      fencesPerPartition: 1,
    },
  );
}

/** Those of the benchmark's own environment: to try one out. */
export function hybridgeSettings(): Record<string, string> {
  const given = Object.entries(process.env).filter(([name]) => name.startsWith("HYBRIDGE_"));
  return Object.fromEntries(given.map(([name, value]) => [name, value ?? ""]));
}

export function startMirrorMaker(contest: Contest, aim: MirrorMakerAim): Contestant {
  const alias = `mm2-${contest.run}`;
  const file = writeMirrorMakerConfig({ ...contest, alias }, aim);
  const jvm = ["-Xmx1g", "-XX:+UseG1GC", "-cp", kafkaJars()];
  const args = [...jvm, "org.apache.kafka.connect.mirror.MirrorMaker", file];
  const log = join(contest.dir, `mm2-${contest.topic}-${contest.run}.log`);
  return start(javaProgram(), args, {}, log, {
    name: "MirrorMaker 2",
    targetTopic: `${alias}.${contest.topic}`,
    fencesPerPartition: 0,
  });
}

function start(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
  logFile: string,
  about: Pick<Contestant, "name" | "targetTopic" | "fencesPerPartition">,
): Contestant {
  mkdirSync(join(logFile, ".."), { recursive: true });
  const log = openSync(logFile, "w");
  const child = spawn("/bin/sh", ["-c", LEASHED, about.name, command, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", log, log, "pipe"],
    // Not in our process group: Ctrl-C is for us, and we stop it.
    detached: true,
  });
  closeSync(log);
  const ended = new AbortController();
  let isStopping = false;
  const gone = new Promise<void>((resolve) => {
    const end = (how: string) => {
      resolve();
      if (!isStopping) ended.abort(new Error(`${about.name} ended by itself (${how}): ${logFile}`));
    };
    child.once("error", (error) => end(error.message));
    child.once("exit", (code, signal) => end(signal ?? `exit code ${code}`));
  });
  return {
    ...about,
    pid: child.pid ?? 0,
    ended: ended.signal,
    async [Symbol.asyncDispose]() {
      isStopping = true;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await gone;
      clearTimeout(timer);
      child.stdio[3]?.destroy();
    },
  };
}
