import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunOptions } from "./command.ts";
import type { RunPlan, ServiceName } from "./plan.ts";

/** gRPC ports of a live run, so that clients find the services where the README says. */
export const fixedRpcPorts: Record<ServiceName, number> = {
  ingest: 7101,
  mirror: 7102,
  "warehouse-internal": 7103,
  "warehouse-external": 7104,
  "query-gateway": 7105,
};

const FREE_PORTS: Record<ServiceName, number> = {
  ingest: 0,
  mirror: 0,
  "warehouse-internal": 0,
  "warehouse-external": 0,
  "query-gateway": 0,
};

/**
 * Fixes what a run does. A `--once` run has data of its own and begins anew each time, so that it
 * neither counts nor disturbs what a live run keeps.
 */
export function planRun(options: RunOptions, root: string, postsDir: string): RunPlan {
  const dir = options.dir ?? join(root, ".hybridge", options.once ? "once" : "run");
  if (options.fresh || options.once) rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  return {
    dir,
    topic: "hybrid",
    partitions: 6,
    posts: options.posts ?? (options.once ? 5_000 : 0),
    rate: options.rate ?? (options.once ? 0 : 200),
    ...rememberedOrigin(dir, options.seed),
    replayFiles: realPosts(postsDir),
    segmentAgeMaxMs: options.once ? 1_000 : 5_000,
    registerIntervalMs: options.once ? 1_000 : 5_000,
    rpcPorts: options.once ? FREE_PORTS : fixedRpcPorts,
  };
}

/**
 * Seed and time of the first generated post. They are kept with the data: the generator is a
 * function of both, and a restart has to go on with the same posts.
 */
function rememberedOrigin(dir: string, seed: number): { seed: number; epoch: string } {
  const file = join(dir, "origin.json");
  try {
    return JSON.parse(readFileSync(file, "utf8")) as { seed: number; epoch: string };
  } catch {
    const origin = { seed, epoch: new Date().toISOString() };
    writeFileSync(file, `${JSON.stringify(origin)}\n`);
    return origin;
  }
}

function realPosts(postsDir: string): string[] {
  return readdirSync(postsDir)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => join(postsDir, name));
}
