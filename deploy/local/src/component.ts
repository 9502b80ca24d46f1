import { closeSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import { describeError } from "@hybridge/core";
import { ComponentFailedError } from "./errors.ts";
import { launch, type Exit, type LaunchSpec, type Running } from "./launch.ts";

/** What startKafka and its siblings accept. Ports that are not given are chosen. */
export interface ComponentOptions<PortName extends string> {
  /** The component's own folder: data, configuration, log and pid files. */
  readonly dir: string;
  readonly ports?: Partial<Record<PortName, number>>;
  readonly heapMb?: number;
  /** Aborting it while the component starts stops it and rejects. */
  readonly signal?: AbortSignal;
}

export interface ComponentSpec<Addresses> {
  readonly name: string;
  readonly dir: string;
  readonly addresses: Addresses;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Runs before each launch, when no process of it is left: makes what a kill has torn whole. */
  readonly prepare?: () => void;
  /** Rejects as long as the component cannot do its work. One try, at most a few seconds. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** How long a start may take on a busy machine. */
  readonly startMs: number;
  readonly stopMs: number;
}

/** A process of the local cloud. Leaving its scope stops it; its data stays in its folder. */
export interface Component<Addresses> extends AsyncDisposable {
  readonly name: string;
  readonly addresses: Addresses;
  readonly logFile: string;
  readonly pid: number;
  /** Settles when the process that runs now ends. */
  readonly exited: Promise<Exit>;
  /** Rejects with the reason when the component cannot do its work now. */
  health(signal?: AbortSignal): Promise<void>;
  /** Sends a signal; for SIGKILL and SIGTERM resolves when the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again after an end, on the same ports and data. */
  restart(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

const PROBE_MS = 5_000;

/** Starts a process and waits until its probe succeeds. @throws ComponentFailedError */
export async function startComponent<Addresses>(
  spec: ComponentSpec<Addresses>,
  signal?: AbortSignal,
): Promise<Component<Addresses>> {
  const launchSpec = launchSpecOf(spec);
  spec.prepare?.();
  let running = await launch(launchSpec);
  await waitHealthy(spec, running, signal);
  const stop = () => running.stop();
  return {
    name: spec.name,
    addresses: spec.addresses,
    logFile: launchSpec.logFile,
    get pid() {
      return running.identity.pid;
    },
    get exited() {
      return running.exited;
    },
    health: (healthSignal) => probeOnce(spec, healthSignal),
    kill: (killSignal = "SIGKILL") => running.kill(killSignal),
    async restart(restartSignal) {
      await running.stop();
      spec.prepare?.();
      running = await launch(launchSpec);
      await waitHealthy(spec, running, restartSignal);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Runs a process of a component to its end: formatting and the like. @throws ComponentFailedError */
export async function runToEnd(
  spec: Omit<ComponentSpec<unknown>, "probe" | "addresses" | "prepare">,
  signal?: AbortSignal,
): Promise<void> {
  const launchSpec = launchSpecOf(spec);
  const running = await launch(launchSpec);
  const onAbort = () => void running.kill("SIGKILL");
  signal?.addEventListener("abort", onAbort);
  const timer = setTimeout(onAbort, spec.startMs);
  const exit = await running.exited;
  clearTimeout(timer);
  signal?.removeEventListener("abort", onAbort);
  await running.stop();
  signal?.throwIfAborted();
  if (exit.code !== 0) throw failure(spec.name, launchSpec.logFile, `ended with ${show(exit)}`);
}

function launchSpecOf(
  spec: Omit<ComponentSpec<unknown>, "probe" | "addresses" | "prepare">,
): LaunchSpec {
  mkdirSync(spec.dir, { recursive: true });
  return {
    name: spec.name,
    command: spec.command,
    args: spec.args,
    env: spec.env,
    cwd: spec.dir,
    logFile: join(spec.dir, `${spec.name}.log`),
    pidFile: pidFileOf(spec.dir, spec.name),
    stopMs: spec.stopMs,
  };
}

export function pidFileOf(dir: string, name: string): string {
  return join(dir, `${name}.pid`);
}

async function waitHealthy(
  spec: ComponentSpec<unknown>,
  running: Running,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = Date.now() + spec.startMs;
  const logFile = join(spec.dir, `${spec.name}.log`);
  try {
    for (;;) {
      signal?.throwIfAborted();
      if (running.exit) throw failure(spec.name, logFile, `ended with ${show(running.exit)}`);
      const problem = await probeOnce(spec, signal).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      if (problem === undefined) return;
      if (Date.now() > deadline) {
        const reason = `is not healthy after ${spec.startMs} ms (${describeError(problem.error)})`;
        throw failure(spec.name, logFile, reason, problem.error);
      }
      await Promise.race([delay(150, undefined, signal ? { signal } : {}), running.exited]);
    }
  } catch (error) {
    await running.stop();
    throw error;
  }
}

async function probeOnce(
  spec: ComponentSpec<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const limit = AbortSignal.timeout(PROBE_MS);
  await spec.probe(signal ? AbortSignal.any([signal, limit]) : limit);
}

function failure(name: string, logFile: string, what: string, cause?: unknown): Error {
  return new ComponentFailedError(
    `${name} ${what}. Its log ${logFile} ends with:\n${tail(logFile, 12)}`,
    { cause },
  );
}

function show(exit: Exit): string {
  return exit.signal ?? `exit code ${exit.code}`;
}

/** The last lines of a text file; empty when there is none. */
export function tail(path: string, lines: number): string {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return "";
  const length = Math.min(size, 64 * 1024);
  const buffer = Buffer.alloc(length);
  const file = openSync(path, "r");
  readSync(file, buffer, 0, length, size - length);
  closeSync(file);
  return buffer.toString("utf8").trimEnd().split("\n").slice(-lines).join("\n");
}
