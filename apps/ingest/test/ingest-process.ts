import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { serviceEnvironment, serviceFlags } from "@hybridge/core";
import {
  IngestServiceClient,
  type GetStatusResponse,
} from "@hybridge/proto/hybridge/ingest/v1/ingest_service";
import { callUnary, createClient } from "@hybridge/rpc";

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** An ingest as its own process. Leaving the scope kills it. */
export interface IngestProcess extends AsyncDisposable {
  /** host:port of its gRPC server, or how it ended before it had one. */
  readonly address: Promise<string | End>;
  readonly ended: Promise<End>;
  /** All it wrote to stderr so far. */
  log(): string;
  kill(signal: NodeJS.Signals): void;
  /** Asks until the answer pleases, or the process has ended: then undefined. */
  until(pleases: (status: GetStatusResponse) => boolean): Promise<GetStatusResponse | undefined>;
}

const root = fileURLToPath(new URL("../../..", import.meta.url));

export function startIngest(env: Readonly<Record<string, string>>): IngestProcess {
  const child = spawn(process.execPath, [...serviceFlags, "apps/ingest/src/main.ts"], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...serviceEnvironment, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  const ended = new Promise<End>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const listening = new Promise<string>((resolve) => {
    createInterface(child.stderr).on("line", (line) => {
      lines.push(line);
      const address = /"event":"service\.listening","address":"([^"]+)"/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
  const address = Promise.race([listening, ended]);
  return {
    address,
    ended,
    log: () => lines.join("\n"),
    kill: (signal) => child.kill(signal),
    async until(pleases) {
      const at = await address;
      if (typeof at !== "string") return undefined;
      const client = createClient(IngestServiceClient, at);
      try {
        for (;;) {
          if (child.exitCode !== null || child.signalCode !== null) return undefined;
          const status = await callUnary(
            client.getStatus.bind(client),
            {},
            { deadlineMs: 5_000 },
          ).catch(() => undefined);
          if (status && pleases(status)) return status;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      } finally {
        client.close();
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
