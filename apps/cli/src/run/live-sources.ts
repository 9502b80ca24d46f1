import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { HybridgeError } from "@hybridge/core";
import { liveEnvironment } from "../config.ts";
import type { RunOptions } from "./command.ts";

/** The simulated sources did not start. */
export class SimulatorFailedError extends HybridgeError {
  readonly code = "SIMULATOR_FAILED";
  readonly retry = "never";
}

/** Live sources in place of files and the generator, as the settings of ingest. */
export interface LiveSources extends AsyncDisposable {
  readonly isSimulated: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * What `--live` asks for: X and Bluesky themselves, with the settings of ingest that the shell
 * holds; or both simulated by a process of its own, so that the feeds run as they do against the
 * real ones.
 */
export async function openLiveSources(
  options: RunOptions,
  posts: number,
  rate: number,
  root: string,
): Promise<LiveSources | undefined> {
  const { live, keywords } = options;
  if (live === undefined) return undefined;
  if (live !== "simulated") {
    const wanted =
      keywords === undefined
        ? {}
        : { HYBRIDGE_X_KEYWORDS: keywords, HYBRIDGE_BLUESKY_KEYWORDS: keywords };
    return {
      isSimulated: false,
      environment: { ...liveEnvironment(), ...wanted, HYBRIDGE_FEEDS: live },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const child = spawn(
    process.execPath,
    [
      "--conditions=@hybridge/source",
      "test/sources/main.ts",
      ...["--posts", String(posts), "--rate", String(rate), "--seed", String(options.seed)],
    ],
    // Its own group, as the services have; the channel tells it when we are gone.
    { cwd: root, detached: true, stdio: ["ignore", "pipe", "inherit", "ipc"] },
  );
  const { x, token, bluesky } = await addressesOf(child);
  return {
    isSimulated: true,
    environment: {
      HYBRIDGE_FEEDS: "x,bluesky",
      HYBRIDGE_X_URL: x,
      HYBRIDGE_X_BEARER_TOKEN: token,
      HYBRIDGE_X_READS_MAX: "0",
      HYBRIDGE_X_KEYWORDS: keywords ?? "hybridge",
      HYBRIDGE_BLUESKY_ENDPOINTS: bluesky.join(","),
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "close");
    },
  };
}

interface Addresses {
  readonly x: string;
  readonly token: string;
  readonly bluesky: readonly string[];
}

async function addressesOf(child: ChildProcess): Promise<Addresses> {
  if (child.stdout) {
    for await (const line of createInterface(child.stdout)) return JSON.parse(line) as Addresses;
  }
  throw new SimulatorFailedError(
    "the simulated sources ended before they were there: see what they said above",
  );
}
