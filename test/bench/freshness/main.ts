import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exitCode } from "@hybridge/core";
import { describeMachine, machineLines } from "../mirror/machine.ts";
import { Progress } from "../mirror/progress.ts";
import { measure, type Freshness, type Load } from "./measure.ts";
import { externalSide, internalSide, type Side } from "./sides.ts";

const RANGES = { rate: [1, 20_000, 1_000], seconds: [10, 3_600, 60] } as const;

const USAGE = `npm run bench -- freshness [options]

How old a post is when a query returns it first: from its timestamp, which it has when it is sent to
the source Kafka, to a row that Hive returns; and from the target Kafka to a row that Redshift
returns (the local endpoint). One side after the other, with flushes of 5 s, while posts stream; a
query follows the other, and each row that was sent is looked for.

  --rate N      posts a second, ${RANGES.rate[0]} to ${RANGES.rate[1]} (default ${RANGES.rate[2]})
  --seconds N   ${RANGES.seconds[0]} to ${RANGES.seconds[1]} (default ${RANGES.seconds[2]}) on each side, after a warm-up of 15 s
  --json        one line of JSON on stdout, everything else on stderr
`;

interface Options extends Load {
  readonly isJson: boolean;
}

/** @returns the options, or what to tell whoever gave wrong ones, or that help is wanted */
function readOptions(args: readonly string[]): Options | string | undefined {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        rate: { type: "string", default: String(RANGES.rate[2]) },
        seconds: { type: "string", default: String(RANGES.seconds[2]) },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  if (values.help) return undefined;
  for (const name of ["rate", "seconds"] as const) {
    const [least, most] = RANGES[name];
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      return `--${name}: ${values[name]} is not a whole number from ${least} to ${most}`;
    }
  }
  return { rate: Number(values.rate), seconds: Number(values.seconds), isJson: values.json };
}

/** @returns 0 when every post was returned by a query */
export async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options !== "object") {
    const isWrong = options !== undefined;
    process[isWrong ? "stderr" : "stdout"].write(isWrong ? `${options}\n\n${USAGE}` : USAGE);
    return isWrong ? exitCode.usage : exitCode.ok;
  }
  using progress = new Progress(options.isJson ? process.stderr : process.stdout);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort(new Error("interrupted")));
  process.once("SIGTERM", () => stop.abort(new Error("terminated")));
  progress.say(machineLines(describeMachine()));
  const shapes: (Freshness & { readonly name: string })[] = [];
  for (const open of [internalSide, externalSide]) {
    const freshness = await onSide(open, options, progress, stop.signal);
    shapes.push(freshness);
    progress.say(
      `${freshness.name}: p50 ${freshness.p50Ms} ms, p99 ${freshness.p99Ms} ms, max ${freshness.maxMs} ms ` +
        `(${freshness.count} posts; a query took ${freshness.queryMs} ms, median of ${freshness.queries})`,
    );
  }
  if (options.isJson) process.stdout.write(`${JSON.stringify({ shapes })}\n`);
  return exitCode.ok;
}

async function onSide(
  open: (dir: string) => Promise<Side>,
  load: Load,
  progress: Progress,
  signal: AbortSignal,
): Promise<Freshness & { readonly name: string }> {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-bench-freshness-"));
  try {
    progress.doing("starting components");
    await using side = await open(dir);
    progress.doing(`${side.name}: ${load.rate} posts/s`);
    const freshness = await measure(side, load, signal);
    progress.done();
    return { name: side.name, ...freshness };
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
