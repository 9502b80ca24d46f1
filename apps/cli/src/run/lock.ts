import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { HybridgeError } from "@hybridge/core";

/** Another run uses the folder. */
export class RunLockedError extends HybridgeError {
  readonly code = "RUN_LOCKED";
  readonly retry = "never";
}

/**
 * Makes sure that one run at a time uses a data folder: two would delete each other's files. The
 * lock of a process that is no more is taken over.
 *
 * @throws RunLockedError naming the process that holds it
 */
export function lockFolder(dir: string): Disposable {
  const file = `${dir}.lock`;
  mkdirSync(dirname(file), { recursive: true });
  const holder = holderOf(file);
  if (holder !== undefined && isRunning(holder)) {
    throw new RunLockedError(
      `${dir} is used by another run, process ${holder}: stop that, or give this one --dir`,
    );
  }
  if (holder !== undefined) rmSync(file, { force: true });
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: "wx" });
  } catch (error) {
    const message = `cannot make the lock ${file}: another run may have begun at the same moment`;
    throw new RunLockedError(message, { cause: error });
  }
  return {
    [Symbol.dispose]: () => {
      rmSync(file, { force: true });
    },
  };
}

function holderOf(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}
