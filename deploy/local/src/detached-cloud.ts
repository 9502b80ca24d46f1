import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@hybridge/core";
import { readAddresses, removeAddresses } from "./addresses.ts";
import { componentNames, folderOf, type ComponentName } from "./cloud-layout.ts";
import { pidFileOf } from "./component.ts";
import { inheritedEnvironment, repositoryRoot } from "./config.ts";
import { ComponentFailedError, FolderInUseError } from "./errors.ts";
import { readPidFile, writePidFile } from "./pid-file.ts";
import { identify, isAlive, type ProcessIdentity } from "./process-identity.ts";

const HOLDER = "cloud";
/** A cloud stops within 15 s; what is left after this is killed. */
const STOP_MS = 20_000;
const POLL_MS = 100;

export interface DetachedOptions {
  readonly dir: string;
  /** Ports by the names of their settings; otherwise the settings of the environment. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly freePorts?: boolean;
  readonly secure?: boolean;
  /** Lines for people: what the components do while they start. */
  readonly onEvent?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Marks `dir` as held by this process. @throws FolderInUseError when another one holds it */
export function claimCloud(dir: string): Disposable {
  const holder = holderOf(dir);
  if (holder !== undefined && holder.pid !== process.pid) {
    throw new FolderInUseError(`process ${holder.pid} already holds the local cloud in ${dir}`);
  }
  mkdirSync(dir, { recursive: true });
  const self = identify(process.pid);
  const file = pidFileOf(dir, HOLDER);
  if (self) writePidFile(file, { process: self, owner: self });
  return {
    [Symbol.dispose]: () => {
      rmSync(file, { force: true });
    },
  };
}

/** The process that holds a detached cloud in `dir`, if one does. */
export function holderOf(dir: string): ProcessIdentity | undefined {
  const holder = readPidFile(pidFileOf(dir, HOLDER))?.process;
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/**
 * Starts a cloud that goes on running without us; resolves when all of it is healthy. One that runs
 * already is left as it is.
 *
 * @returns whether it was started now
 * @throws ComponentFailedError with the reason that the holder gave
 */
export async function startDetachedCloud(options: DetachedOptions): Promise<boolean> {
  const { dir, signal = new AbortController().signal } = options;
  mkdirSync(dir, { recursive: true });
  const logFile = join(dir, `${HOLDER}.log`);
  const running = holderOf(dir);
  if (running !== undefined) {
    await untilReady(dir, running, () => `see ${logFile}`, signal);
    return false;
  }
  removeAddresses(dir);
  const from = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  const holder = spawnHolder(options, logFile);
  const problems: string[] = [];
  const follow = followLog(logFile, from, (line) => {
    // What happens begins with a time; what does not is the error with which the holder ends.
    if (/^\d{4}-/.test(line)) options.onEvent?.(line);
    else problems.push(line);
  });
  const reason = () => {
    follow.read();
    return problems.join("\n");
  };
  try {
    await untilReady(dir, holder, reason, signal);
  } catch (error) {
    await stopDetachedCloud(dir, holder);
    throw error;
  } finally {
    follow[Symbol.dispose]();
  }
  return true;
}

/**
 * Stops a detached cloud and waits until no process of it is left; its data stays.
 *
 * @returns whether one ran
 * @throws FolderInUseError when the components belong to another kind of program
 */
export async function stopDetachedCloud(dir: string, holder = holderOf(dir)): Promise<boolean> {
  const components = () => componentNames.filter((name) => componentProcess(dir, name));
  refuseForeign(dir, holder);
  const ran = holder !== undefined || components().length > 0;
  if (holder !== undefined && isAlive(holder)) {
    process.kill(holder.pid, "SIGTERM");
    await until(() => !isAlive(holder), STOP_MS);
    // Its components end with it, killed or not.
    if (isAlive(holder)) process.kill(holder.pid, "SIGKILL");
  }
  await until(() => components().length === 0, STOP_MS);
  for (const name of components()) killGroup(componentProcess(dir, name)?.pid);
  await until(() => components().length === 0, STOP_MS);
  rmSync(pidFileOf(dir, HOLDER), { force: true });
  removeAddresses(dir);
  return ran;
}

function spawnHolder(options: DetachedOptions, logFile: string): ProcessIdentity {
  const log = openSync(logFile, "a");
  const child = spawn(
    process.execPath,
    [
      "--conditions=@hybridge/source",
      join(repositoryRoot, "deploy/local/src/serve.ts"),
      `--dir=${options.dir}`,
      ...(options.freePorts === true ? ["--free-ports"] : []),
      ...(options.secure === true ? ["--secure"] : []),
    ],
    {
      cwd: repositoryRoot,
      env: { ...inheritedEnvironment(), ...portEnvironment(options.ports) },
      stdio: ["ignore", log, log],
      detached: true,
    },
  );
  closeSync(log);
  child.unref();
  child.on("error", () => undefined);
  const holder = child.pid === undefined ? undefined : identify(child.pid);
  if (holder === undefined) {
    throw new ComponentFailedError(`the local cloud could not be started; see ${logFile}`);
  }
  return holder;
}

async function untilReady(
  dir: string,
  holder: ProcessIdentity,
  reason: () => string,
  signal: AbortSignal,
): Promise<void> {
  while (readAddresses(dir) === undefined) {
    if (!isAlive(holder)) {
      throw new ComponentFailedError(`the local cloud in ${dir} did not start: ${reason()}`);
    }
    await systemClock.sleep(POLL_MS, signal);
  }
}

/** Hands on what is appended to a log, line by line. */
function followLog(
  file: string,
  from: number,
  onLine: (line: string) => void,
): Disposable & { read(): void } {
  let at = from;
  const read = () => {
    const text = readFileSync(file).subarray(at).toString("utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    at += Buffer.byteLength(whole);
    for (const line of whole.split("\n")) if (line !== "") onLine(line);
  };
  const timer = setInterval(read, POLL_MS);
  return {
    read,
    [Symbol.dispose]: () => {
      clearInterval(timer);
      read();
    },
  };
}

/** `npm start` runs a cloud too; its end is Ctrl-C there, not here. */
function refuseForeign(dir: string, holder: ProcessIdentity | undefined): void {
  for (const name of componentNames) {
    const file = readPidFile(pidFileOf(folderOf(dir, name), name));
    if (file === undefined || !isAlive(file.process) || !isAlive(file.owner)) continue;
    if (file.owner.pid === holder?.pid) continue;
    throw new FolderInUseError(
      `the local cloud in ${dir} belongs to process ${file.owner.pid}, another program: stop that one`,
    );
  }
}

function componentProcess(dir: string, name: ComponentName): ProcessIdentity | undefined {
  const running = readPidFile(pidFileOf(folderOf(dir, name), name))?.process;
  return running !== undefined && isAlive(running) ? running : undefined;
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

async function until(condition: () => boolean, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!condition() && Date.now() < deadline) await systemClock.sleep(POLL_MS);
}

function portEnvironment(ports: Readonly<Record<string, number>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]));
}
