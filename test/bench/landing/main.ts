import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { exitCode } from "@hybridge/core";
import { createTopicIfMissing } from "@hybridge/kafka";
import { startHdfs, startKafka } from "@hybridge/local";
import { describeMachine, machineLines } from "../mirror/machine.ts";
import { Progress } from "../mirror/progress.ts";
import { compare } from "./compare.ts";
import { hybridge, spark, type Contestant } from "./contestants.ts";
import { fill } from "./fill.ts";
import { readOptions, USAGE, type Options } from "./options.ts";
import { ratios, runLine, table, type Results } from "./report.ts";
import { sparkJars } from "./spark-jars.ts";

const TOPIC = "posts";
const PARTITIONS = 6;
/** As in the experiment that set the goals: Spark's rate with several triggers, not one. */
const PER_TRIGGER = 200_000;

interface Job extends Results {
  readonly start: Contestant;
  readonly isCompared: boolean;
}

/** @returns 0 when every row of every run was compared and equal */
export async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options !== "object") {
    const isWrong = options !== undefined;
    process[isWrong ? "stderr" : "stdout"].write(isWrong ? `${options}\n\n${USAGE}` : USAGE);
    return isWrong ? exitCode.usage : exitCode.ok;
  }
  const out = options.isJson ? process.stderr : process.stdout;
  using progress = new Progress(out);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort(new Error("interrupted")));
  process.once("SIGTERM", () => stop.abort(new Error("terminated")));
  progress.say(machineLines(describeMachine()));
  const jobs = await jobsOf(options, progress);
  await contest(jobs, options, progress, stop.signal);
  const [ours, ...peers] = jobs as [Job, ...Job[]];
  progress.say(table(ours, peers, options.records));
  if (options.isJson) {
    const shapes = peers.map((peer) => ({
      name: peer.name,
      ...ratios(ours, peer, options.records),
    }));
    process.stdout.write(`${JSON.stringify({ shapes })}\n`);
  }
  return exitCode.ok;
}

async function jobsOf(options: Options, progress: Progress): Promise<Job[]> {
  const ours: Job = { name: "Hybridge", start: hybridge, isCompared: true, runs: [] };
  if (options.isAlone) return [ours];
  progress.doing("fetching Spark with Maven");
  const jars = await sparkJars();
  progress.done();
  const job = (name: string, form: "parquet" | "text", perTrigger: number): Job => {
    const start = spark(jars, form, perTrigger);
    return { name, start, isCompared: form === "parquet", runs: [] };
  };
  return [
    ours,
    job("Spark, Parquet", "parquet", PER_TRIGGER),
    ...(options.withText ? [job("Spark, gzip text", "text", 0)] : []),
  ];
}

async function contest(
  jobs: readonly Job[],
  { records, rounds }: Options,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-bench-landing-"));
  try {
    await using kafka = await startKafka({ dir: join(dir, "kafka") });
    await using hdfs = await startHdfs({ dir: join(dir, "hdfs") });
    const { bootstrap } = kafka.addresses;
    const cluster = { bootstrap, clientId: "bench" };
    const settings = { topic: TOPIC, partitions: PARTITIONS, replicationFactor: 1 };
    await createTopicIfMissing(cluster, settings, signal);
    progress.doing(`filling the topic with ${records} posts`);
    const filled = await fill(cluster, TOPIC, PARTITIONS, records, signal);
    progress.done();
    progress.say(`topic     ${records} posts, ${Math.round(filled.bytes / records)} B on average`);
    for (let round = 1; round <= rounds; round += 1) {
      // The one that comes second finds the brokers' pages warm: each comes first in turn.
      const order = round % 2 === 1 ? jobs : jobs.toReversed();
      for (const job of order) {
        const folder = `/bench/round-${round}/${job.name.replaceAll(/\W+/g, "-")}`;
        progress.doing(`round ${round}, ${job.name}`);
        const at = { webhdfs: hdfs.addresses.webhdfs, folder, dir };
        const run = await job.start({
          ...at,
          bootstrap,
          hdfs: hdfs.addresses.fs,
          topic: TOPIC,
          partitions: PARTITIONS,
          records,
          signal,
        });
        job.runs.push(run);
        progress.doing(`comparing the rows of ${job.name}`);
        const user = userInfo().username;
        const found = job.isCompared ? await compare({ ...at, user }, filled, signal) : "";
        progress.done();
        progress.say(`round ${round}   ${job.name}: ${runLine(run, records)}; ${found}`);
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
