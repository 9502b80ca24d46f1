import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { serviceEnvironment, serviceFlags } from "@hybridge/core";
import {
  MirrorControlServiceClient,
  type PartitionStatus,
} from "@hybridge/proto/hybridge/mirror/v1/mirror_control_service";
import { callUnary, createClient } from "@hybridge/rpc";

const main = fileURLToPath(new URL("../../../apps/mirror/src/main.ts", import.meta.url));

const PROGRAM = [...serviceFlags, main];

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
  /** What it says of its partitions; none when it does not answer. */
  status(): Promise<readonly PartitionStatus[]>;
  /** Kills it, if need be, and waits until it is gone. */
  end(): Promise<void>;
}

/** Starts the mirror as in operation; its log is appended to a file. */
export function startMirrorService(
  settings: Readonly<Record<string, string>>,
  logFile: string,
): MirrorService {
  const child = spawn(process.execPath, PROGRAM, {
    env: { PATH: process.env["PATH"] ?? "", ...serviceEnvironment, ...settings },
    stdio: ["ignore", "ignore", "pipe"],
  });
  child.stderr.pipe(createWriteStream(logFile, { flags: "a" }));
  let address: string | undefined;
  createInterface({ input: child.stderr }).on("line", (line) => {
    address ??= /"service.listening".*?"address":"([^"]+)"/.exec(line)?.[1];
  });
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
    status: async () => (address === undefined ? [] : await statusAt(address).catch(() => [])),
    end,
    [Symbol.asyncDispose]: end,
  };
}

async function statusAt(address: string): Promise<readonly PartitionStatus[]> {
  const client = createClient(MirrorControlServiceClient, address);
  try {
    const limits = { deadlineMs: 5_000 };
    return (await callUnary(client.getStatus.bind(client), {}, limits)).partitions;
  } finally {
    client.close();
  }
}
