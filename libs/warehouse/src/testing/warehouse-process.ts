import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serviceEnvironment, serviceFlags } from "@hybridge/core";
import {
  WarehouseControlClient,
  type LandedPartition,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_control";
import {
  WarehouseServiceClient,
  type GetStatusResponse,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_service";
import { callUnary, createClient } from "@hybridge/rpc";

export type WarehouseApp = "warehouse-internal" | "warehouse-external";

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
  /** Undefined when it does not answer. */
  readonly status: () => Promise<GetStatusResponse | undefined>;
  readonly control: {
    readonly partitions: () => Promise<readonly LandedPartition[]>;
    readonly flush: () => Promise<void>;
    readonly pause: (partitions: readonly number[]) => Promise<readonly number[]>;
    readonly resume: (partitions: readonly number[]) => Promise<readonly number[]>;
  };
  /** Asks until the answer pleases. @throws with the log when that takes too long or it ended */
  readonly until: (pleases: (status: GetStatusResponse) => boolean) => Promise<GetStatusResponse>;
}

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const PATIENCE_MS = 90_000;

/**
 * Starts `apps/<app>` from the sources with this environment and no other.
 *
 * @param checkout where the sources are; by default these
 */
export function startWarehouse(
  app: WarehouseApp,
  env: Readonly<Record<string, string>>,
  checkout = root,
): WarehouseProcess {
  const child = spawn(process.execPath, [...serviceFlags, `apps/${app}/src/main.ts`], {
    cwd: checkout,
    env: { PATH: process.env["PATH"], ...serviceEnvironment, ...env },
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
  const isAlive = () => child.exitCode === null && child.signalCode === null;
  async function addressOf(): Promise<string> {
    const at = await address;
    if (typeof at === "string") return at;
    throw new Error(`it ended at its start:\n${log()}`);
  }
  async function status(): Promise<GetStatusResponse | undefined> {
    const at = await address;
    if (typeof at !== "string" || !isAlive()) return undefined;
    const client = createClient(WarehouseServiceClient, at);
    try {
      const method = client.getStatus.bind(client);
      return await callUnary(method, {}, { deadlineMs: 5_000 }).catch(() => undefined);
    } finally {
      client.close();
    }
  }
  return {
    ended,
    log,
    kill: (signal) => child.kill(signal),
    status,
    control: controlOf(addressOf),
    async until(pleases) {
      await addressOf();
      const patience = Date.now() + PATIENCE_MS;
      let last: GetStatusResponse | undefined;
      while (isAlive() && Date.now() < patience) {
        last = await status();
        if (last && pleases(last)) return last;
        await delay(50);
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

function controlOf(addressOf: () => Promise<string>): WarehouseProcess["control"] {
  async function call<T>(ask: (client: WarehouseControlClient) => Promise<T>): Promise<T> {
    const client = createClient(WarehouseControlClient, await addressOf());
    try {
      return await ask(client);
    } finally {
      client.close();
    }
  }
  const limits = { deadlineMs: 60_000 };
  return {
    partitions: () =>
      call(async (client) => {
        const method = client.listPartitions.bind(client);
        return (await callUnary(method, {}, limits)).partitions;
      }),
    flush: () =>
      call(async (client) => {
        await callUnary(client.flush.bind(client), {}, limits);
      }),
    pause: (partitions) =>
      call(async (client) => {
        const request = { partitions: [...partitions] };
        return (await callUnary(client.pause.bind(client), request, limits)).partitions;
      }),
    resume: (partitions) =>
      call(async (client) => {
        const request = { partitions: [...partitions] };
        return (await callUnary(client.resume.bind(client), request, limits)).partitions;
      }),
  };
}
