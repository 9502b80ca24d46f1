import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** A process that cannot be taken for a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the words of the operating system; only to be compared. */
  readonly started: string;
}

/** Identifies a process, also one that has ended and is not reaped yet. Undefined: there is none. */
export function identify(pid: number): ProcessIdentity | undefined {
  const started = look(pid)?.started;
  return started === undefined ? undefined : { pid, started };
}

/** Whether it is still that process, and has not ended. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = look(identity.pid);
  return now !== undefined && !now.ended && now.started === identity.started;
}

/** Resident memory in bytes; 0 when the process is gone. */
export function residentBytes(pid: number): number {
  if (process.platform !== "linux") {
    return Number(ps(pid, "rss=") ?? 0) * 1024;
  }
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`) ?? "");
  return Number(match?.[1] ?? 0) * 1024;
}

interface Look {
  readonly started: string;
  readonly ended: boolean;
}

function look(pid: number): Look | undefined {
  return process.platform === "linux" ? fromProc(pid) : fromPs(pid);
}

function fromProc(pid: number): Look | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold spaces: count after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = "", started = ""] = [fields[0], fields[19]];
  return { started, ended: state === "Z" || state === "X" };
}

function fromPs(pid: number): Look | undefined {
  const started = ps(pid, "lstart=");
  return started === undefined ? undefined : { started, ended: ps(pid, "state=")?.[0] === "Z" };
}

function ps(pid: number, column: string): string | undefined {
  try {
    const text = execFileSync("ps", ["-o", column, "-p", String(pid)], { encoding: "utf8" }).trim();
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
