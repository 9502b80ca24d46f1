import { spawn } from "node:child_process";
import { UnavailableError } from "@hybridge/core";

/**
 * Runs a program to its end. It gets the handles as its file descriptors 3 and up.
 *
 * @throws UnavailableError with what it said
 */
export async function runProcess(
  program: string,
  args: readonly string[],
  options: {
    readonly handles?: readonly (number | undefined)[];
    readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  } = {},
): Promise<void> {
  const handles = (options.handles ?? []).map((handle) => handle ?? ("ignore" as const));
  const child = spawn(program, args, {
    cwd: "/",
    env: { LC_ALL: "C", TZ: "UTC" },
    stdio: ["ignore", "pipe", "pipe", ...handles],
    ...options.user,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  }
  const outcome = await new Promise<unknown>((resolve) => {
    child.once("error", resolve);
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
  if (outcome === 0) return;
  throw new UnavailableError(`${program} failed (${String(outcome)}): ${said.trim()}`, {
    cause: outcome,
  });
}
