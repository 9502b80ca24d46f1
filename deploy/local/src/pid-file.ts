import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { ProcessIdentity } from "./process-identity.ts";

const identity = z.object({ pid: z.number().int().positive(), started: z.string() });
const pidFile = z.object({ process: identity, owner: identity });

/** What a pid file holds: the component's process, and the one that started it. */
export interface PidFile {
  readonly process: ProcessIdentity;
  readonly owner: ProcessIdentity;
}

/** Undefined when there is none, or one that was torn by a crash. */
export function readPidFile(path: string): PidFile | undefined {
  try {
    return pidFile.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** In one step, so that no reader sees half of it. */
export function writePidFile(path: string, file: PidFile): void {
  writeFileSync(`${path}.new`, JSON.stringify(file) + "\n");
  renameSync(`${path}.new`, path);
}
