import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { identify, isAlive, type ProcessIdentity } from "./process-identity.ts";
import { readPidFile, writePidFile } from "./pid-file.ts";
import { ComponentFailedError, FolderInUseError } from "./errors.ts";

export interface LaunchSpec {
  /** The component's name, for messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
  readonly pidFile: string;
  /** How long it may take to end after the stop signal before it is killed. */
  readonly stopMs: number;
  /** What asks it to end in order; SIGTERM without it. */
  readonly stopSignal?: "SIGTERM" | "SIGINT";
  /** Runs it as another user, for programs that refuse to run as root. */
  readonly runAs?: { readonly uid: number; readonly gid: number };
  /** An open file or folder that it gets as its file descriptor 4. */
  readonly handle?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of ours, leader of its own process group. */
export interface Running {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<Exit>;
  /** Undefined as long as it runs. */
  readonly exit: Exit | undefined;
  /** Sends a signal. After SIGKILL and the stop signal: resolves when it has ended, by force in `stopMs`. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** The stop signal, and the pid file goes. */
  stop(): Promise<void>;
}

const LOG_BYTES_MAX = 16 * 1024 * 1024;

/*
 * Non-obvious: the process must not outlive us, not even when we are killed with SIGKILL. So a
 * small shell waits beside it, in the same process group, at the read end of a pipe whose other
 * end only we hold. When we are gone the pipe closes, and the shell ends the group: stop signal, then
 * SIGKILL (which takes itself along). The group's id cannot be given to another process as long as
 * the shell is in it, so the signal cannot hit a stranger. The shell then becomes, by exec, the
 * component itself, whose pid is thereby the one that we spawned.
 */
const WATCHED = `
(
  trap '' TERM INT HUP
  read -r _ <&3
  kill -"$HYBRIDGE_WATCH_SIGNAL" -$$ 2>/dev/null
  i=0
  while kill -0 $$ 2>/dev/null && [ $i -lt "$HYBRIDGE_WATCH_TENTHS" ]; do sleep 0.1; i=$((i+1)); done
  kill -KILL -$$
) </dev/null >/dev/null 2>&1 &
unset HYBRIDGE_WATCH_TENTHS HYBRIDGE_WATCH_SIGNAL
exec "$@" 3<&-
`;

/**
 * Starts a process that ends when this one does. Its output is appended to the log file.
 *
 * @throws FolderInUseError when the pid file belongs to a live program
 * @throws ComponentFailedError when the command cannot be run
 */
export async function launch(spec: LaunchSpec): Promise<Running> {
  await reclaim(spec.pidFile, spec.name, spec.stopMs);
  mkdirSync(dirname(spec.logFile), { recursive: true });
  rotate(spec.logFile);
  const log = openSync(spec.logFile, "a");
  const stopSignal = spec.stopSignal ?? "SIGTERM";
  const child = spawn("/bin/sh", ["-c", WATCHED, spec.name, spec.command, ...spec.args], {
    cwd: spec.cwd,
    env: {
      ...spec.env,
      HYBRIDGE_WATCH_TENTHS: String(Math.ceil(spec.stopMs / 100)),
      HYBRIDGE_WATCH_SIGNAL: stopSignal.slice("SIG".length),
    },
    stdio: ["ignore", log, log, "pipe", ...(spec.handle === undefined ? [] : [spec.handle])],
    detached: true,
    ...spec.runAs,
  });
  closeSync(log);
  const leash = child.stdio[3] as Socket;
  leash.on("error", () => undefined);
  leash.unref();
  child.unref();
  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      exit = { code, signal };
      leash.destroy();
      resolve(exit);
    });
  });
  exited.catch(() => undefined);
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (child.pid === undefined || identity === undefined) {
    const cause = await exited.catch((error: unknown) => error);
    throw new ComponentFailedError(`${spec.name}: ${spec.command} could not be started`, { cause });
  }
  const owner = identify(process.pid);
  if (owner) writePidFile(spec.pidFile, { process: identity, owner });
  const kill = async (signal: NodeJS.Signals) => {
    if (exit !== undefined) return;
    child.kill(signal);
    if (signal !== "SIGKILL" && signal !== stopSignal) return;
    child.ref();
    // The time limit also keeps Node's loop alive until the exit is seen.
    const timer = setTimeout(killGroup, spec.stopMs, identity.pid);
    await exited;
    clearTimeout(timer);
  };
  return {
    identity,
    exited,
    get exit() {
      return exit;
    },
    kill,
    stop: async () => {
      await kill(stopSignal);
      rmSync(spec.pidFile, { force: true });
    },
  };
}

/**
 * Takes over the pid file of a process whose owner has died: it is about to end, and this waits.
 *
 * @throws FolderInUseError when the owner is alive
 */
export async function reclaim(pidFile: string, name: string, stopMs: number): Promise<void> {
  const file = readPidFile(pidFile);
  if (file === undefined || !isAlive(file.process)) return;
  if (isAlive(file.owner)) {
    throw new FolderInUseError(
      `${name}: process ${file.process.pid}, which process ${file.owner.pid} started, already ` +
        `runs in ${dirname(pidFile)}; stop that one first (hybridge local down), or use another folder`,
    );
  }
  const deadline = Date.now() + stopMs + 2_000;
  while (isAlive(file.process)) {
    if (Date.now() > deadline) killGroup(file.process.pid);
    await delay(50);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Already gone.
  }
}

function rotate(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES_MAX) renameSync(logFile, `${logFile}.1`);
}
