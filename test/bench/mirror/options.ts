import { parseArgs } from "node:util";
import { shapes } from "./shapes.ts";

export const sections = ["shapes", "latency", "limits"] as const;
export type Section = (typeof sections)[number];

export interface Options {
  readonly only: ReadonlySet<Section>;
  /** Records of a shape whose share is 1. */
  readonly records: number;
  readonly rounds: number;
  /** Rounds before them that do not count: a broker that has just started is several times slower. */
  readonly warmUp: number;
  readonly shapes: readonly string[];
  readonly isAlone: boolean;
  readonly isJson: boolean;
}

/** Least, most, and what is taken without the option. */
const RANGES = {
  records: [20_000, 50_000_000, 1_500_000],
  rounds: [1, 50, 3],
  "warm-up": [0, 10, 1],
} as const;
const names = shapes.map(({ name }) => name);

export const USAGE = `npm run bench -- mirror [options]

Measures the mirror beside MirrorMaker 2 on this machine, three things one after the other:

  shapes   records/s, CPU seconds per GB and peak memory for batches of several kinds; both run by
           turns on the same brokers and data
  latency  what the mirror adds to the way of a record, at half the load that MirrorMaker 2 carries
  limits   memory while the target stands still, CPU while nothing happens (Hybridge only)

  --only LIST     some of them: ${sections.join(",")}
  --records N     records per shape, ${RANGES.records[0]} to ${RANGES.records[1]} (default ${RANGES.records[2]})
  --rounds N      how often both run, ${RANGES.rounds[0]} to ${RANGES.rounds[1]} (default ${RANGES.rounds[2]}); medians are reported
  --warm-up N     rounds of both before these that do not count, so that the brokers' code is compiled,
                  ${RANGES["warm-up"][0]} to ${RANGES["warm-up"][1]} (default ${RANGES["warm-up"][2]})
  --shape LIST    some shapes: ${names.join(",")}
  --alone         without MirrorMaker 2
  --json          one line of JSON on stdout, everything else on stderr
`;

/** @returns the options, or what to tell whoever gave wrong ones, or that help is wanted */
export function readOptions(args: readonly string[]): Options | string | undefined {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        only: { type: "string" },
        records: { type: "string" },
        rounds: { type: "string" },
        "warm-up": { type: "string" },
        shape: { type: "string" },
        alone: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (values.help) return undefined;
  const problems: string[] = [];
  const whole = (name: keyof typeof RANGES) => {
    const [least, most, usual] = RANGES[name];
    const text = values[name] ?? String(usual);
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    problems.push(`--${name} is ${JSON.stringify(text)}: a number from ${least} to ${most}`);
    return usual;
  };
  const some = <T extends string>(name: "only" | "shape", all: readonly T[]) => {
    const given = values[name]?.split(",").map((item) => item.trim()) ?? all;
    for (const item of given) {
      if (all.includes(item as T)) continue;
      problems.push(`--${name} has ${JSON.stringify(item)}: there are ${all.join(", ")}`);
    }
    return all.filter((item) => given.includes(item));
  };
  const options = {
    only: new Set(some("only", sections)),
    records: whole("records"),
    rounds: whole("rounds"),
    warmUp: whole("warm-up"),
    shapes: some("shape", names),
    isAlone: values.alone,
    isJson: values.json,
  };
  return problems.length === 0 ? options : problems.join("\n");
}
