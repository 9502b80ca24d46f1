// @ts-check
import { spawn } from "node:child_process";
import { performance } from "node:perf_hooks";

/** On Ctrl-C the terminal and npm each send a SIGINT; what comes within this time is one. */
const SAME_SIGNAL_MS = 1_000;
const PARENT_CHECK_MS = 1_000;

/**
 * Runs a program in our place: its terminal and exit code are ours, and every signal that is meant
 * for it reaches it exactly once. It has a session of its own, so that the terminal's SIGINT comes
 * only through us, and an IPC channel, whose end tells it that we were killed. When npm, above us,
 * is killed, the program is asked to stop.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnOptions} options
 * @returns {Promise<number>} the exit code
 */
export async function runChild(command, args, options) {
  const child = spawn(command, args, {
    ...options,
    detached: true,
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  let last = -Infinity;
  const forward = (/** @type {NodeJS.Signals} */ signal) => {
    const now = performance.now();
    if (now - last < SAME_SIGNAL_MS) return;
    last = now;
    child.kill(signal);
  };
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.on(signal, () => forward(signal === "SIGHUP" ? "SIGTERM" : signal));
  }
  const parent = process.ppid;
  const orphaned = setInterval(() => {
    if (process.ppid !== parent) forward("SIGTERM");
  }, PARENT_CHECK_MS);
  orphaned.unref();
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (...result) => resolve(result));
  });
  clearInterval(orphaned);
  return signal === null ? code : 128 + (signalNumbers[signal] ?? 1);
}

/** @type {Record<string, number>} */
const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };
