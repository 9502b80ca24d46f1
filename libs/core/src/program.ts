import { ConfigError, describeError, isAbort } from "./errors.ts";

/** Exit codes of every Hybridge program. */
export const exitCode = { ok: 0, failed: 1, usage: 2, unhealthy: 10, interrupted: 130 } as const;

/**
 * Runs the body of a program: SIGINT and SIGTERM abort its signal, a second one ends the process at
 * once, an error is printed in one readable line and becomes an exit code (2 for settings, 1 for
 * the rest). A body that ends after a signal has stopped cleanly: exit code 0. A program started
 * with an IPC channel also stops when its parent is gone, so that a killed parent leaves nothing.
 */
export async function runProgram(
  name: string,
  body: (signal: AbortSignal) => Promise<number | undefined>,
): Promise<never> {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(exitCode.interrupted);
    controller.abort(new DOMException(`stopped by ${signal}`, "AbortError"));
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  if (process.connected) process.once("disconnect", () => stop("SIGTERM"));
  let code: number;
  try {
    code = (await body(controller.signal)) ?? exitCode.ok;
  } catch (error) {
    code = report(name, error, controller.signal);
  }
  process.exit(code);
}

function report(name: string, error: unknown, signal: AbortSignal): number {
  if (signal.aborted && isAbort(error, signal)) return exitCode.ok;
  process.stderr.write(`${name}: ${describeError(error)}\n`);
  if (process.env["HYBRIDGE_LOG_LEVEL"] === "debug" && error instanceof Error) {
    process.stderr.write(`${String(error.stack)}\n`);
  }
  return error instanceof ConfigError ? exitCode.usage : exitCode.failed;
}
