import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../../apps/mirror/src/main.ts", import.meta.url));

/** The mirror as a process that can be killed in any way. */
export interface MirrorService extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  hasEnded(): boolean;
}

/** Starts the mirror as in operation; its log is appended to a file. */
export function startMirrorService(env: Record<string, string>, logFile: string): MirrorService {
  const child = spawn(
    process.execPath,
    ["--conditions=@hybridge/source", "--import", "@hybridge/tracing/preload", main],
    { env: { PATH: process.env["PATH"] ?? "", ...env }, stdio: ["ignore", "ignore", "pipe"] },
  );
  child.stderr.pipe(createWriteStream(logFile, { flags: "a" }));
  let isOver = false;
  const ended = once(child, "exit").then(() => {
    isOver = true;
  });
  return {
    child,
    ended,
    hasEnded: () => isOver,
    async [Symbol.asyncDispose]() {
      if (!isOver) child.kill("SIGKILL");
      await ended;
    },
  };
}
