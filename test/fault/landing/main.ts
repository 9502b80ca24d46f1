import { parseArgs } from "node:util";
import { startComponents } from "./components.ts";
import { faults } from "./faults.ts";
import { describeOutcome, runSeed, type Outcome } from "./run.ts";

const USAGE = `npm run fault -- landing [--runs N] [--seed S] [--keep]

Breaks warehouse-internal in one to three processes, and Kafka, HDFS and Hive under them, while records
stream; after each run it compares Kafka, the files in HDFS, the dead letters and what Hive shows,
record by record.

  --runs N   how many runs, 1 to 100000 (20)
  --seed S   the first run's seed, 0 to 4294967295; the next run has the next (by the clock)
  --keep     keeps the logs; those of failures are kept in any case
  --help     this

Each run prints its seed, how many records were compared, its faults and its seconds, and when it
fails the command that repeats it. The last line is a summary in JSON. Exit code: 0 when all runs
passed, 1 when one failed (also when nothing was written), 2 for wrong arguments.

Faults: ${faults.map(({ name }) => name).join(", ")}.
`;

const SEEDS = 2 ** 32;

interface Arguments {
  readonly runs: number;
  readonly seed: number;
  readonly keep: boolean;
  readonly help: boolean;
}

/** @returns the exit code: 0 when every run passed */
export async function main(args: string[]): Promise<number> {
  let wanted: Arguments;
  try {
    wanted = readArguments(args);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`fault: ${reason}; see npm run fault -- landing --help\n`);
    return 2;
  }
  if (wanted.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { runs, seed } = wanted;
  const began = Date.now();
  const outcomes = await runAll(wanted);
  const passed = outcomes.filter(({ failure }) => failure === undefined).length;
  const records = outcomes.reduce((sum, outcome) => sum + outcome.records, 0);
  const seconds = Math.round((Date.now() - began) / 1000);
  process.stdout.write(`${JSON.stringify({ runs, passed, records, seed, seconds })}\n`);
  return passed === runs ? 0 : 1;
}

async function runAll({ runs, seed, keep }: Arguments): Promise<Outcome[]> {
  await using components = await startComponents();
  const outcomes: Outcome[] = [];
  // One at a time: a broken component breaks all runs that stand on it.
  for (let run = 0; run < runs; run += 1) {
    const outcome = await runSeed(components, (seed + run) % SEEDS);
    outcomes.push(outcome);
    process.stdout.write(`run ${run + 1} of ${runs}: ${describeOutcome(outcome)}\n`);
  }
  if (keep || outcomes.some(({ failure }) => failure !== undefined)) {
    components.keep();
    process.stdout.write(`logs are kept in ${components.dir}\n`);
  }
  return outcomes;
}

function readArguments(args: string[]): Arguments {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    runs: integer("--runs", values.runs, 1, 100_000),
    seed: integer("--seed", values.seed, 0, SEEDS - 1),
    keep: values.keep,
    help: values.help,
  };
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new Error(
    `${name} must be an integer from ${least} to ${most}, not ${JSON.stringify(text)}`,
  );
}
