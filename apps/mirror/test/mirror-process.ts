import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { serviceEnvironment, serviceFlags } from "@hybridge/core";
import {
  MirrorControlServiceClient,
  type GetStatusResponse,
} from "@hybridge/proto/hybridge/mirror/v1/mirror_control_service";
import { callUnary, createClient } from "@hybridge/rpc";

export interface MirrorProcess extends AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly client: () => Promise<MirrorControlServiceClient>;
  status(): Promise<GetStatusResponse>;
  /** Asks every so often until the predicate holds; undefined when the process ended before. */
  until(
    predicate: (status: GetStatusResponse) => boolean,
    everyMs?: number,
  ): Promise<GetStatusResponse | undefined>;
  kill(signal: NodeJS.Signals): void;
  log(): string;
  events(): readonly { readonly event: string; readonly [field: string]: unknown }[];
}

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
/** A thousand partitions on a busy machine take their time; a test that needs it all has failed. */
const PATIENCE_MS = 120_000;
const LOG_LINES_SHOWN = 60;
const PARTITIONS_SHOWN = 5;

/** Starts the service as it is started in operation, on a free port. */
export function startMirrorProcess(env: Readonly<Record<string, string>>): MirrorProcess {
  const child = spawn(process.execPath, [...serviceFlags, main], {
    env: { PATH: process.env["PATH"] ?? "", ...serviceEnvironment, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  const ended = once(child, "exit").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  const listening = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line);
      const address = /"service.listening".*?"address":"([^"]+)"/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    void ended.then(() => reject(new Error(`the mirror ended early:\n${lines.join("\n")}`)));
  });
  listening.catch(() => undefined);
  let client: MirrorControlServiceClient | undefined;
  const connect = async () =>
    (client ??= createClient(MirrorControlServiceClient, await listening));

  const status = async () => {
    const connected = await connect();
    return await callUnary(connected.getStatus.bind(connected), {}, { deadlineMs: 5_000 });
  };
  return {
    pid: child.pid ?? 0,
    ended,
    client: connect,
    status,
    async until(predicate, everyMs = 50) {
      const deadline = Date.now() + PATIENCE_MS;
      for (;;) {
        const answer = await status().catch(() => undefined);
        if (answer && predicate(answer)) return answer;
        if (hasEnded) return undefined;
        if (Date.now() > deadline) {
          const end = lines.slice(-LOG_LINES_SHOWN).join("\n");
          throw new Error(`the mirror did not get there: ${describe(answer)}\n${end}`);
        }
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    },
    kill: (signal) => child.kill(signal),
    log: () => lines.join("\n"),
    events: () =>
      lines.flatMap((line) => {
        try {
          return [JSON.parse(line) as { event: string }];
        } catch {
          return [];
        }
      }),
    async [Symbol.asyncDispose]() {
      client?.close();
      if (!hasEnded) child.kill("SIGKILL");
      await ended;
    },
  };
}

/** The state of a mirror, and of some of those partitions that are not done. */
function describe(status: GetStatusResponse | undefined): string {
  const late = status?.partitions.filter(({ state, lag }) => state !== "MIRRORING" || lag > 0n);
  const partitions = late?.slice(0, PARTITIONS_SHOWN);
  return JSON.stringify({ ...status, late: late?.length, partitions }, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
}

/** True when every partition of these topics runs and nothing of the source is left. */
export function hasCaughtUp(ends: ReadonlyMap<string, ReadonlyMap<number, bigint>>) {
  return (status: GetStatusResponse): boolean =>
    [...ends].every(([topic, partitions]) =>
      [...partitions].every(([partition, end]) =>
        status.partitions.some(
          (entry) =>
            entry.sourceTopic === topic &&
            entry.partition === partition &&
            entry.state === "MIRRORING" &&
            entry.sourceOffset >= end,
        ),
      ),
    );
}
