import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "@hybridge/local";
import { liveRpcPorts, readCliConfig } from "../config.ts";
import type { RunOptions } from "./command.ts";
import type { LiveSources } from "./live-sources.ts";
import type { RunPlan, ServiceName } from "./plan.ts";

/** Each service takes a free one: runs beside a live one do not disturb it. */
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
export async function planRun(
  options: RunOptions,
  dir: string,
  live: LiveSources | undefined,
): Promise<RunPlan> {
  const config = readCliConfig();
  const rpcPorts = options.once ? FREE_PORTS : await liveRpcPorts(config.HYBRIDGE_RUN_RPC_PORT);
  if (options.fresh || options.once) rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  return {
    dir,
    secure: options.secure,
    topic: "hybrid",
    partitions: 6,
    ...volumeOf(options),
    live,
    ...rememberedOrigin(dir, options.seed),
    replayFiles: options.replay.length > 0 ? options.replay : realPosts(join(cacheDir(), "posts")),
    flushIntervalMs: 5_000,
    registerIntervalMs: options.once ? 1_000 : 5_000,
    rpcPorts,
  };
}

/** How many posts, and how fast. */
export function volumeOf({ once, posts, rate }: RunOptions): { posts: number; rate: number } {
  return { posts: posts ?? (once ? 5_000 : 0), rate: rate ?? (once ? 0 : 200) };
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
    .filter((name) => name.endsWith(".json") && !name.startsWith("."))
    .sort()
    .map((name) => join(postsDir, name));
}
