import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  WarehouseServiceClient,
  type GetStatusResponse,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_service";
import { callUnary, createClient } from "@hybridge/rpc";

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A warehouse service as its own process. Leaving the scope kills it. */
export interface WarehouseProcess extends AsyncDisposable {
  readonly ended: Promise<End>;
  /** All it wrote to stderr so far. */
  readonly log: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Asks until the answer pleases. @throws with the log when that takes too long or it ended */
  readonly until: (pleases: (status: GetStatusResponse) => boolean) => Promise<GetStatusResponse>;
}

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const PATIENCE_MS = 90_000;

/** Starts `apps/<app>` from the sources with this environment and no other. */
export function startWarehouse(
  app: "warehouse-internal" | "warehouse-external",
  env: Readonly<Record<string, string>>,
): WarehouseProcess {
  const args = ["--conditions=@hybridge/source", "--import", "@hybridge/tracing/preload"];
  const child = spawn(process.execPath, [...args, `apps/${app}/src/main.ts`], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  const ended = new Promise<End>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const log = () => lines.join("\n");
  const listening = new Promise<string>((resolve) => {
    createInterface(child.stderr).on("line", (line) => {
      lines.push(line);
      const address = /"event":"service\.listening","address":"([^"]+)"/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
  const address = Promise.race([listening, ended]);
  return {
    ended,
    log,
    kill: (signal) => child.kill(signal),
    async until(pleases) {
      const at = await address;
      if (typeof at !== "string") throw new Error(`it ended at its start:\n${log()}`);
      const client = createClient(WarehouseServiceClient, at);
      const method = client.getStatus.bind(client);
      const patience = Date.now() + PATIENCE_MS;
      let last: GetStatusResponse | undefined;
      try {
        while (child.exitCode === null && child.signalCode === null && Date.now() < patience) {
          last = await callUnary(method, {}, { deadlineMs: 5_000 }).catch(() => undefined);
          if (last && pleases(last)) return last;
          await delay(50);
        }
      } finally {
        client.close();
      }
      const seen = JSON.stringify(last, (_, value: unknown) =>
        typeof value === "bigint" ? String(value) : value,
      );
      throw new Error(`it did not come to that; last status ${seen}\n${log()}`);
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
