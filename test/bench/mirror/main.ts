import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeError, exitCode } from "@hybridge/core";
import { hybridgeSettings } from "./contestants.ts";
import { runLatency, type LatencyResult } from "./latency.ts";
import { runLimits, type LimitsResult } from "./limits.ts";
import { describeMachine, machineLines, type Machine } from "./machine.ts";
import { mirrorMakerLines } from "./mirror-maker.ts";
import { readOptions, USAGE, type Options } from "./options.ts";
import { Progress } from "./progress.ts";
import { latencyTable, limitsTable, shapesTable, shapeSummary } from "./report.ts";
import { PARTITIONS } from "./shapes.ts";
import { runShapes, type ShapeResult } from "./throughput.ts";

interface Results {
  shapes: readonly ShapeResult[];
  latency: LatencyResult | undefined;
  limits: LimitsResult | undefined;
}

/** @returns 0 when everything was mirrored with the right content */
export async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(USAGE);
    return exitCode.ok;
  }
  if (typeof options === "string") {
    process.stderr.write(`bench: ${options}\n`);
    return exitCode.usage;
  }
  const stop = new AbortController();
  const onSignal = () => {
    // Brokers and mirrors end with this process, however it ends.
    if (stop.signal.aborted) process.exit(exitCode.interrupted);
    process.stderr.write("bench: stopping\n");
    stop.abort(new DOMException("stopped by a signal", "AbortError"));
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  using progress = new Progress(options.isJson ? process.stderr : process.stdout);
  const machine = describeMachine();
  const results: Results = { shapes: [], latency: undefined, limits: undefined };
  const dir = mkdtempSync(join(tmpdir(), "hybridge-bench-"));
  try {
    progress.say(headLines(machine, options));
    await run(options, dir, results, progress, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return exitCode.interrupted;
    process.stderr.write(`bench: ${describeError(error)}\n`);
    return exitCode.failed;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  if (results.shapes.length > 0) progress.say(shapesTable(results.shapes, options.rounds));
  if (results.latency) progress.say(latencyTable(results.latency));
  if (results.limits) progress.say(limitsTable(results.limits));
  if (options.isJson) process.stdout.write(`${JSON.stringify(asJson(results, machine))}\n`);
  return exitCode.ok;
}

async function run(
  options: Options,
  dir: string,
  results: Results,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { only } = options;
  if (only.has("shapes")) results.shapes = await runShapes(options, dir, progress, signal);
  if (only.has("latency")) {
    const usual = results.shapes.find(({ name }) => name === "16KiB-lz4");
    const carried = usual?.mirrorMaker?.recordsPerSecond;
    results.latency = await runLatency(carried, options, dir, progress, signal);
  }
  if (only.has("limits")) results.limits = await runLimits(dir, progress, signal);
}

/** What the numbers depend on. */
function headLines(machine: Machine, options: Options): string {
  const given = Object.entries(hybridgeSettings()).map(([name, value]) => `${name}=${value}`);
  const order = options.isAlone ? "Hybridge only" : "MirrorMaker 2 first, then Hybridge";
  return [
    machineLines(machine),
    `data      posts of the pipeline's generator, about 710 bytes, in ${PARTITIONS} partitions; source topics are filled before the mirrors start`,
    `rounds    ${options.rounds} after ${options.warmUp} to warm up: ${order}, one at a time, on the same brokers (fresh for each shape) and data; counted from the first record in the target to the last`,
    "checked   after each run: number, order, key, value, headers and timestamp of all records in the target",
    `Hybridge  ${given.length === 0 ? "as it comes" : given.join(" ")}`,
    ...(options.isAlone ? [] : [mirrorMakerLines()]),
  ].join("\n");
}

function asJson({ shapes, latency, limits }: Results, machine: Machine) {
  return {
    shapes: shapes.map(shapeSummary),
    latency: latency ?? null,
    limits: limits ?? null,
    machine,
  };
}
