import * as runs from "../runs.ts";
import { startClusters, type Clusters } from "./clusters.ts";
import { faults } from "./faults.ts";
import { runSeed } from "./run.ts";

const USAGE = `npm run fault -- mirror [--runs N] [--seed S] [--keep]

Breaks the mirror, its connections and its brokers while records stream, and compares source and
target record by record after each run. Two runs at a time share a source and a target broker, and
suffer from what the other does to them; each is judged by itself.

  --runs N   how many runs, 1 to 100000 (20)
  --seed S   the first run's seed, 0 to 4294967295; the next run has the next (by the clock)
  --keep     keeps the logs of mirrors and brokers; those of failures are kept in any case
  --help     this

Each run prints its seed, how many records were compared, its faults and its seconds, and when it
fails the command that repeats it. The last line is a summary in JSON. Exit code: 0 when all runs
passed, 1 when one failed (also when it moved nothing), 2 for wrong arguments.

Faults: ${faults.map(({ name }) => name).join(", ")}.
`;

const subject: runs.Subject<Clusters> = {
  name: "mirror",
  usage: USAGE,
  atOnce: 2,
  open: startClusters,
  run: runSeed,
};

/** @returns the exit code: 0 when every run passed */
export function main(args: string[]): Promise<number> {
  return runs.main(subject, args);
}
