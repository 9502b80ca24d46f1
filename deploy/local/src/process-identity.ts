import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** A process that cannot be taken for a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the words of the operating system; only to be compared. */
  readonly started: string;
}

/** Identifies a running process. Undefined: no such process, or it has ended (a zombie). */
export function identify(pid: number): ProcessIdentity | undefined {
  const started = process.platform === "linux" ? fromProc(pid) : fromPs(pid);
  return started === undefined ? undefined : { pid, started };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.started === identity.started;
}

/** Resident memory in bytes; 0 when the process is gone. */
export function residentBytes(pid: number): number {
  if (process.platform !== "linux") {
    return Number(ps(pid, "rss=") ?? 0) * 1024;
  }
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`) ?? "");
  return Number(match?.[1] ?? 0) * 1024;
}

function fromProc(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold spaces: count after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function fromPs(pid: number): string | undefined {
  const state = ps(pid, "state=");
  return state === undefined || state.startsWith("Z") ? undefined : ps(pid, "lstart=");
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
