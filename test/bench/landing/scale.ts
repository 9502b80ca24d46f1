import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cpuSeconds, rssPeakMb } from "../mirror/process-usage.ts";
import { HYBRIDGE, warehouseEnvironment, type Contest } from "./contestants.ts";

/** What some processes of one group took together. */
export interface Shared {
  readonly processes: number;
  readonly seconds: number;
  /** Of all of them, without their start. */
  readonly cpuSeconds: number;
  /** Of the largest. */
  readonly rssPeakMb: number;
  /** Records that each of them landed, the most first. */
  readonly landed: readonly number[];
}

interface Member {
  readonly child: ChildProcess;
  landed: number;
  /** CPU when it served, undefined before. */
  cpuAtStart: number | undefined;
}

/**
 * Processes that share the partitions of a topic through a group, from when all of them serve to the
 * commit of the last record; the group is joined in that time.
 */
export async function share(contest: Contest, processes: number): Promise<Shared> {
  const group = `bench-${processes}`;
  const changed = new EventTarget();
  const members = Array.from({ length: processes }, (_, index): Member => {
    const dir = join(contest.dir, `member-${index}`);
    mkdirSync(dir, { recursive: true });
    const env = { ...warehouseEnvironment({ ...contest, dir }), HYBRIDGE_GROUP_ID: group };
    const child = spawn(process.execPath, HYBRIDGE, {
      env,
      stdio: ["ignore", "ignore", "pipe"],
      signal: contest.signal,
    });
    const member: Member = { child, landed: 0, cpuAtStart: undefined };
    void follow(member, changed);
    return member;
  });
  try {
    await until(changed, members, () =>
      members.every(({ cpuAtStart }) => cpuAtStart !== undefined),
    );
    const beganAtMs = performance.now();
    const total = () => members.reduce((sum, { landed }) => sum + landed, 0);
    await until(changed, members, () => total() >= contest.records);
    const usage = members.map(({ child, cpuAtStart = 0 }) => ({
      cpu: cpuSeconds(child.pid ?? 0) - cpuAtStart,
      rss: rssPeakMb(child.pid ?? 0),
    }));
    return {
      processes,
      seconds: (performance.now() - beganAtMs) / 1000,
      cpuSeconds: usage.reduce((sum, { cpu }) => sum + cpu, 0),
      rssPeakMb: Math.max(...usage.map(({ rss }) => rss)),
      landed: members.map(({ landed }) => landed).sort((a, b) => b - a),
    };
  } finally {
    await Promise.all(members.map(({ child }) => stop(child)));
  }
}

/** Adds up what its events say. */
async function follow(member: Member, changed: EventTarget): Promise<void> {
  for await (const line of createInterface(member.child.stderr as never)) {
    if (line.includes('"event":"service.listening"')) {
      member.cpuAtStart = cpuSeconds(member.child.pid ?? 0);
    }
    member.landed += Number(/"event":"flush\.landed".*"rows":(\d+)/.exec(line)?.[1] ?? 0);
    changed.dispatchEvent(new Event("line"));
  }
  changed.dispatchEvent(new Event("line"));
}

async function until(
  changed: EventTarget,
  members: readonly Member[],
  isDone: () => boolean,
): Promise<void> {
  while (!isDone()) {
    if (members.some(({ child }) => child.exitCode !== null || child.signalCode !== null)) {
      throw new Error("a process ended before everything was landed");
    }
    await once(changed, "line");
  }
}

/** The names of its last files follow their commit by a moment: it is asked to stop. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGTERM");
  await closed.catch(() => undefined);
}

export function sharedLine(shared: Shared, records: number): string {
  const { processes, seconds, landed } = shared;
  return (
    `${processes} processes: ${Math.round(records / seconds)} records/s, ` +
    `${cpuPerMillion(shared, records).toFixed(1)} CPU s per million together, ` +
    `${Math.round(shared.rssPeakMb)} MiB at most in one; landed ${landed.join(", ")}`
  );
}

export function cpuPerMillion({ cpuSeconds: cpu }: Shared, records: number): number {
  return (cpu / records) * 1e6;
}
