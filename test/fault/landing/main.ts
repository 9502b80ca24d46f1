import * as runs from "../runs.ts";
import { startComponents, type Components } from "./components.ts";
import { faults } from "./faults.ts";
import { runSeed } from "./run.ts";

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

const subject: runs.Subject<Components> = {
  name: "landing",
  usage: USAGE,
  // One at a time: a broken component breaks all runs that stand on it.
  atOnce: 1,
  open: startComponents,
  run: runSeed,
};

/** @returns the exit code: 0 when every run passed */
export function main(args: string[]): Promise<number> {
  return runs.main(subject, args);
}
