import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { serviceEnvironment, serviceFlags } from "@hybridge/core";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** The service as a process of its own; leaving its scope kills it. */
export async function startGateway(env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [...serviceFlags, main], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env["PATH"],
      ...serviceEnvironment,
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      HYBRIDGE_LOG_LEVEL: "debug",
      ...env,
    },
  });
  const exited = once(child, "exit");
  const log: string[] = [];
  const lines = createInterface(child.stderr);
  const listening = Promise.withResolvers<string>();
  lines.on("line", (line) => {
    log.push(line);
    const event = line.startsWith("{") ? (JSON.parse(line) as Record<string, unknown>) : {};
    if (event["event"] === "service.listening") listening.resolve(String(event["address"]));
  });
  void exited.then(() => {
    listening.reject(new Error(`the gateway ended early:\n${log.join("\n")}`));
  });
  const kill = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  };
  try {
    return {
      address: await listening.promise,
      log,
      /** Sends a signal and waits for the end. @returns the exit code; null after SIGKILL */
      kill,
      async [Symbol.asyncDispose]() {
        await kill("SIGKILL");
      },
    };
  } catch (error) {
    await kill("SIGKILL");
    throw error;
  }
}

/** Clock ticks of CPU (a hundredth of a second each) that a process has used; proc(5). */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

/** Waits until a process does next to nothing, which on a busy machine a working one never does. */
export async function untilIdle(pid: number): Promise<void> {
  const used: number[] = [];
  for (let tries = 0; tries < 180; tries++) {
    const before = ticksOf(pid);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    used.push(ticksOf(pid) - before);
    if ((used.at(-1) ?? 0) < 5) return;
  }
  throw new Error(
    `the process ${pid} was still working three minutes later: ${used.join(" ")} ticks a second`,
  );
}
