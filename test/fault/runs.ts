import { parseArgs } from "node:util";

/** How one run went. */
export interface Outcome {
  /** What was broken: the name in `npm run fault -- SUBJECT`. */
  readonly subject: string;
  readonly seed: number;
  /** Compared in all places; 0 when it failed. */
  readonly records: number;
  readonly seconds: number;
  /** What was done, in order. */
  readonly faults: readonly string[];
  /** Undefined when everything is there once. */
  readonly failure: string | undefined;
}

/** What runs stand on, with a folder of logs. */
export interface Ground extends AsyncDisposable {
  readonly dir: string;
  /** Keeps the folder, with the logs, at the end. */
  keep(): void;
}

export interface Subject<G extends Ground> {
  readonly usage: string;
  readonly name: string;
  /** Runs that share the ground at one time. */
  readonly atOnce: number;
  open(): Promise<G>;
  run(ground: G, seed: number): Promise<Outcome>;
}

interface Arguments {
  readonly runs: number;
  readonly seed: number;
  readonly keep: boolean;
  readonly help: boolean;
}

const SEEDS = 2 ** 32;

/** Strikes and judges; never throws. @param strike tells what it did, and gives the records compared */
export async function runOnce(
  subject: string,
  seed: number,
  strike: (struck: string[]) => Promise<number>,
): Promise<Outcome> {
  const began = performance.now();
  const faults: string[] = [];
  let records = 0;
  let failure: string | undefined;
  try {
    records = await strike(faults);
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  const seconds = (performance.now() - began) / 1000;
  return { subject, seed, records, seconds, faults, failure };
}

/** One line, and for a failure also how to see it again. */
export function describeOutcome(outcome: Outcome): string {
  const { subject, seed, records, seconds, faults, failure } = outcome;
  const verdict = failure === undefined ? "ok" : "FAILED";
  const line = `${verdict} seed ${seed}: ${records} records, ${seconds.toFixed(1)} s: ${faults.join("; ")}`;
  if (failure === undefined) return line;
  return `${line}\n  ${failure}\n  again: npm run fault -- ${subject} --runs 1 --seed ${seed} --keep`;
}

/** The program. @returns the exit code: 0 when every run passed */
export async function main<G extends Ground>(subject: Subject<G>, args: string[]): Promise<number> {
  let wanted: Arguments;
  try {
    wanted = readArguments(args);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`fault: ${reason}; see npm run fault -- ${subject.name} --help\n`);
    return 2;
  }
  if (wanted.help) {
    process.stdout.write(subject.usage);
    return 0;
  }
  const { runs, seed } = wanted;
  const began = Date.now();
  const outcomes = await runAll(subject, wanted);
  const passed = outcomes.filter(({ failure }) => failure === undefined).length;
  const records = outcomes.reduce((sum, outcome) => sum + outcome.records, 0);
  const seconds = Math.round((Date.now() - began) / 1000);
  process.stdout.write(`${JSON.stringify({ runs, passed, records, seed, seconds })}\n`);
  return passed === runs ? 0 : 1;
}

async function runAll<G extends Ground>(
  subject: Subject<G>,
  { runs, seed, keep }: Arguments,
): Promise<Outcome[]> {
  await using ground = await subject.open();
  const outcomes: Outcome[] = [];
  let next = 0;
  const work = async () => {
    while (next < runs) {
      const run = next++;
      const outcome = await subject.run(ground, (seed + run) % SEEDS);
      outcomes.push(outcome);
      process.stdout.write(`run ${run + 1} of ${runs}: ${describeOutcome(outcome)}\n`);
    }
  };
  await Promise.all(Array.from({ length: subject.atOnce }, work));
  if (keep || outcomes.some(({ failure }) => failure !== undefined)) {
    ground.keep();
    process.stdout.write(`logs are kept in ${ground.dir}\n`);
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
