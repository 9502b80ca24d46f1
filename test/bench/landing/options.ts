import { parseArgs } from "node:util";

export interface Options {
  readonly records: number;
  readonly rounds: number;
  readonly isAlone: boolean;
  /** How processes share a topic of 1,000 partitions, instead of the contest. */
  readonly isShared: boolean;
  readonly withText: boolean;
  readonly isJson: boolean;
}

/** Least, most, and what is taken without the option. */
const RANGES = { records: [10_000, 50_000_000, 1_000_000], rounds: [1, 50, 3] } as const;

export const USAGE = `npm run bench -- landing [options]

Lands one topic of generated posts (6 partitions, lz4) in the same HDFS on this machine, by turns:
by Hybridge's warehouse-internal and by a job of Spark Structured Streaming (local[2], the same
columns with MD5 and raw, Parquet zstd by dt and hr), which is fetched with Maven the first time
(300 MB) and needs a JDK. Start-up of both is excluded; the order changes from round to round. Every
row of both is compared with its record.

  --records N   ${RANGES.records[0]} to ${RANGES.records[1]} (default ${RANGES.records[2]})
  --rounds N    ${RANGES.rounds[0]} to ${RANGES.rounds[1]} (default ${RANGES.rounds[2]}); medians are reported
  --text        also Spark's cheapest job, the values alone as gzip text
  --alone       without Spark
  --shared      instead: 1, 2 and 4 processes of one group land a topic of 1,000 partitions
  --json        one line of JSON on stdout, everything else on stderr
`;

/** @returns the options, or what to tell whoever gave wrong ones, or that help is wanted */
export function readOptions(args: readonly string[]): Options | string | undefined {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        records: { type: "string", default: String(RANGES.records[2]) },
        rounds: { type: "string", default: String(RANGES.rounds[2]) },
        text: { type: "boolean", default: false },
        alone: { type: "boolean", default: false },
        shared: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  if (values.help) return undefined;
  for (const name of ["records", "rounds"] as const) {
    const [least, most] = RANGES[name];
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      return `--${name}: ${values[name]} is not a whole number from ${least} to ${most}`;
    }
  }
  return {
    records: Number(values.records),
    rounds: Number(values.rounds),
    isAlone: values.alone,
    isShared: values.shared,
    withText: values.text,
    isJson: values.json,
  };
}
