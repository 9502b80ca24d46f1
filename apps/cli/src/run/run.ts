import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError, exitCode, isAbort } from "@hybridge/core";
import { startLocalCloud } from "@hybridge/local";
import type { RunOptions } from "./command.ts";
import { grantServices } from "./grants.ts";
import { liveView } from "./live.ts";
import { openLiveSources } from "./live-sources.ts";
import { lockFolder } from "./lock.ts";
import { countsTable, untilEverywhere } from "./once.ts";
import { allAgree } from "./read-back.ts";
import { answerSamples } from "./samples.ts";
import { planRun, volumeOf } from "./settings.ts";
import { startServices } from "./system.ts";
import { openView } from "./view.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../../..");

/**
 * The main job on one machine: cloud up, services up, posts through everything.
 *
 * Progress goes to stderr on `--once`, so that stdout is the table and the line of JSON.
 *
 * @returns the exit code
 */
export async function run(options: RunOptions, interrupted: AbortSignal): Promise<number> {
  const begin = performance.now();
  const seconds = () => Math.round((performance.now() - begin) / 100) / 10;
  const view = openView(options.once ? process.stderr : process.stdout);
  const failed = new AbortController();
  const signal = AbortSignal.any([interrupted, failed.signal]);
  if (options.once && options.live !== undefined && options.live !== "simulated") {
    throw new ConfigError(
      "--once ends when a known number is everywhere, and live posts have none: give it --live=simulated",
    );
  }
  const dir = options.dir ?? join(ROOT, ".hybridge", folderName(options));

  await using scope = new AsyncDisposableStack();
  scope.use(lockFolder(dir));
  const { posts, rate } = volumeOf(options);
  const live = await openLiveSources(options, posts, rate, ROOT);
  if (live) scope.use(live);
  const plan = await planRun(options, dir, live);
  scope.defer(() => view.end());
  const say = (line: string) => view.say(line);
  const cloud = scope.use(
    await startLocalCloud({
      dir: join(plan.dir, "cloud"),
      fixedPorts: !options.once,
      secure: plan.secure,
      onEvent: say,
      signal,
    }),
  );
  await grantServices(cloud, plan.topic, signal);
  const services = scope.use(
    startServices(plan, cloud, {
      root: ROOT,
      onEvent: say,
      onFailure: (error) => failed.abort(error),
    }),
  );
  try {
    await services.untilListening(signal);
    say(`all five services are serving after ${seconds()} s; logs in ${join(plan.dir, "logs")}`);
    if (!options.once) {
      await liveView(plan, services, view, signal);
      return exitCode.ok;
    }
    const counts = await untilEverywhere(plan, cloud, services, view, signal);
    const answers = await answerSamples(services.clients().query, signal);
    process.stdout.write(`${answers}\n\n${countsTable(counts, plan)}\n\n`);
    process.stdout.write(`${JSON.stringify({ ...counts, seconds: seconds() })}\n`);
    return allAgree(counts, plan) ? exitCode.ok : exitCode.failed;
  } catch (error) {
    if (!interrupted.aborted || !isAbort(error, interrupted)) throw error;
    say("stopping");
    return options.once ? exitCode.interrupted : exitCode.ok;
  }
}

function folderName({ once, secure, live }: RunOptions): string {
  const kind = live === undefined ? "run" : live === "simulated" ? "simulated" : "live";
  return `${once ? "once" : kind}${secure ? "-secure" : ""}`;
}
