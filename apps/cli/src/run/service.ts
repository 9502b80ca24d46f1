import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { HybridgeError, serviceEnvironment, serviceFlags, systemClock } from "@hybridge/core";
import type { ServiceName } from "./plan.ts";

/** A service cannot be kept running: it ends again and again, or its settings are wrong. */
export class ServiceFailedError extends HybridgeError {
  readonly code = "SERVICE_FAILED";
  readonly retry = "never";
}

/** A service as its own process, started again when it ends unasked. */
export interface SupervisedService extends AsyncDisposable {
  readonly name: ServiceName;
  /** Of the gRPC server; undefined while the service is not listening. */
  readonly address: string | undefined;
  readonly pid: number | undefined;
}

export interface ServiceOptions {
  readonly name: ServiceName;
  /** The repository, where `apps` and `node_modules` are. */
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Told what happens, in a line for people. */
  readonly onEvent: (line: string) => void;
  /** Called once, when the service is given up. */
  readonly onFailure: (error: ServiceFailedError) => void;
}

const STOP_MS = 8_000;
const RESTART_MS_MIN = 500;
const RESTART_MS_MAX = 10_000;
/** Ends in a row without ever having listened, after which starting again makes no sense. */
const FRUITLESS_STARTS_MAX = 5;
const EXIT_WRONG_SETTINGS = 2;

/** Starts a service and keeps it running until it is disposed. */
export function superviseService(options: ServiceOptions): SupervisedService {
  const { name, onEvent, onFailure } = options;
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = createWriteStream(options.logFile, { flags: "a" });
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  const state: { child?: ChildProcess; address?: string | undefined } = {};

  const keepRunning = async () => {
    let fruitless = 0;
    while (!isStopping()) {
      const { end, listened } = await runOnce(options, state, log);
      state.address = undefined;
      if (isStopping()) return;
      fruitless = listened ? 0 : fruitless + 1;
      if (end.code === EXIT_WRONG_SETTINGS || fruitless >= FRUITLESS_STARTS_MAX) {
        onFailure(failure(name, end, options.logFile));
        return;
      }
      const waitMs = Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** fruitless);
      onEvent(`${name} ended (${end.how}); starting it again in ${(waitMs / 1000).toFixed(1)} s`);
      await systemClock.sleep(waitMs, stopping.signal).catch(() => undefined);
    }
  };
  const running = keepRunning();

  return {
    name,
    get address() {
      return state.address;
    },
    get pid() {
      return state.child?.pid;
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      const { child } = state;
      child?.kill("SIGTERM");
      const bound = setTimeout(() => child?.kill("SIGKILL"), STOP_MS);
      await running;
      clearTimeout(bound);
      log.end();
    },
  };
}

interface End {
  readonly code: number | null;
  readonly how: string;
  readonly lastLine: string;
}

async function runOnce(
  options: ServiceOptions,
  state: { child?: ChildProcess; address?: string | undefined },
  log: NodeJS.WritableStream,
): Promise<{ end: End; listened: boolean }> {
  const child = spawn(process.execPath, [...serviceFlags, `apps/${options.name}/src/main.ts`], {
    cwd: options.root,
    env: { ...withoutHybridge(process.env), ...serviceEnvironment, ...options.env },
    // Its own group: Ctrl-C reaches only us, and we stop the services in order. The channel tells
    // the service when we are gone.
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  state.child = child;
  let listened = false;
  let lastLine = "";
  if (child.stderr) {
    createInterface(child.stderr).on("line", (line) => {
      log.write(`${line}\n`);
      lastLine = line;
      const address = listeningAddress(line);
      if (address === undefined) return;
      listened = true;
      state.address = address;
    });
  }
  const end = await new Promise<End>((resolve) => {
    child.once("error", (error) => resolve({ code: null, how: error.message, lastLine: "" }));
    child.once("close", (code, signal) =>
      resolve({ code, how: signal ?? `exit code ${code ?? "?"}`, lastLine }),
    );
  });
  return { end, listened };
}

/** What the user's shell holds for other programs must not reach a service as its setting. */
function withoutHybridge(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("HYBRIDGE_")));
}

function listeningAddress(line: string): string | undefined {
  if (!line.includes("service.listening")) return undefined;
  try {
    const event = JSON.parse(line) as { address?: unknown };
    return typeof event.address === "string" ? event.address : undefined;
  } catch {
    return undefined;
  }
}

function failure(name: string, end: End, logFile: string): ServiceFailedError {
  return new ServiceFailedError(
    `${name} cannot run: it ended with ${end.how}, its last words: ${end.lastLine || "none"} ` +
      `(the whole log: ${logFile})`,
  );
}
