import { execFile, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const main = fileURLToPath(new URL("../../../apps/mirror/src/main.ts", import.meta.url));

const PROGRAM = [
  "--conditions=@hybridge/source",
  ...["--import", "@hybridge/tracing/preload"],
  main,
];

const environment = (cacheDir: string) => ({
  PATH: process.env["PATH"] ?? "",
  NODE_COMPILE_CACHE: cacheDir,
});

/**
 * Fills the folder that startMirrorService takes, which halves the CPU of a start. Node writes it
 * when a process ends by itself: those that are killed never would.
 */
export async function warmCompileCache(cacheDir: string): Promise<void> {
  const env = environment(cacheDir);
  await promisify(execFile)(process.execPath, [...PROGRAM, "--help"], { env });
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The mirror as a process that can be killed in any way. */
export interface MirrorService extends AsyncDisposable {
  readonly ended: Promise<Exit>;
  /** Undefined as long as it runs. */
  readonly exit: Exit | undefined;
  /** It may end by itself, because another one was started beside it. */
  hasRival: boolean;
  signal(name: NodeJS.Signals): void;
  /** Kills it, if need be, and waits until it is gone. */
  end(): Promise<void>;
}

/** Starts the mirror as in operation; its log is appended to a file. */
export function startMirrorService(
  settings: Readonly<Record<string, string>>,
  files: { readonly log: string; readonly cacheDir: string },
): MirrorService {
  const child = spawn(process.execPath, PROGRAM, {
    env: { ...environment(files.cacheDir), ...settings },
    stdio: ["ignore", "ignore", "pipe"],
  });
  child.stderr.pipe(createWriteStream(files.log, { flags: "a" }));
  let exit: Exit | undefined;
  const ended = new Promise<Exit>((resolve) => {
    child.once("exit", (code, signal) => resolve((exit = { code, signal })));
  });
  const end = async () => {
    if (!exit) child.kill("SIGKILL");
    await ended;
  };
  return {
    ended,
    get exit() {
      return exit;
    },
    hasRival: false,
    signal: (name) => child.kill(name),
    end,
    [Symbol.asyncDispose]: end,
  };
}
