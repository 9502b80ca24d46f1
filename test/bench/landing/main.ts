import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { exitCode } from "@hybridge/core";
import { createTopicIfMissing } from "@hybridge/kafka";
import { startHdfs, startKafka } from "@hybridge/local";
import { describeMachine, machineLines } from "../mirror/machine.ts";
import { Progress } from "../mirror/progress.ts";
import { compare } from "./compare.ts";
import { hybridge, spark, type Contest, type Contestant } from "./contestants.ts";
import { fill, type Filled } from "./fill.ts";
import { readOptions, USAGE, type Options } from "./options.ts";
import { ratios, runLine, table, type Results } from "./report.ts";
import { cpuPerMillion, share, sharedLine, type Shared } from "./scale.ts";
import { sparkJars } from "./spark-jars.ts";

const TOPIC = "posts";
const PARTITIONS = 6;
const SHARED_PARTITIONS = 1_000;
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
  if (options.isShared) {
    await shared(options, progress, stop.signal);
    return exitCode.ok;
  }
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

interface Stage {
  readonly dir: string;
  readonly filled: Filled;
  readonly place: Pick<Contest, "bootstrap" | "webhdfs" | "hdfs" | "topic" | "dir" | "signal">;
}

/** Kafka with a topic full of posts, and HDFS, for as long as the body takes. */
async function onStage(
  partitions: number,
  records: number,
  progress: Progress,
  signal: AbortSignal,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-bench-landing-"));
  try {
    await using kafka = await startKafka({ dir: join(dir, "kafka") });
    await using hdfs = await startHdfs({ dir: join(dir, "hdfs") });
    const { bootstrap } = kafka.addresses;
    const cluster = { bootstrap, clientId: "bench" };
    await createTopicIfMissing(cluster, { topic: TOPIC, partitions }, signal);
    progress.doing(`filling the topic with ${records} posts`);
    const filled = await fill(cluster, TOPIC, partitions, records, signal);
    progress.done();
    progress.say(`topic     ${records} posts, ${Math.round(filled.bytes / records)} B on average`);
    const { webhdfs, fs } = hdfs.addresses;
    await body({
      dir,
      filled,
      place: { bootstrap, webhdfs, hdfs: fs, topic: TOPIC, dir, signal },
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Processes of one group, by turns one, two and four of them; every row of all is compared. */
async function shared(
  { records }: Options,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const user = userInfo().username;
  await onStage(SHARED_PARTITIONS, records, progress, signal, async ({ filled, place }) => {
    const results: Shared[] = [];
    for (const processes of [1, 2, 4]) {
      const folder = `/bench/shared-${processes}`;
      const contest = { ...place, folder, partitions: SHARED_PARTITIONS, records };
      progress.doing(`${processes} processes`);
      const result = await share(contest, processes);
      await compare({ ...place, folder, user }, filled, signal);
      progress.done();
      results.push(result);
      progress.say(sharedLine(result, records));
    }
    const [one, ...more] = results.map((result) => cpuPerMillion(result, records));
    const growth = more.map((cpu) => (cpu / (one ?? 1)).toFixed(2));
    progress.say(`CPU per record beside one process: ${growth.join(" and ")} times`);
  });
}

async function contest(
  jobs: readonly Job[],
  { records, rounds }: Options,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  await onStage(PARTITIONS, records, progress, signal, async ({ filled, place }) => {
    for (let round = 1; round <= rounds; round += 1) {
      // The one that comes second finds the brokers' pages warm: each comes first in turn.
      const order = round % 2 === 1 ? jobs : jobs.toReversed();
      for (const job of order) {
        const folder = `/bench/round-${round}/${job.name.replaceAll(/\W+/g, "-")}`;
        progress.doing(`round ${round}, ${job.name}`);
        const run = await job.start({ ...place, folder, partitions: PARTITIONS, records });
        job.runs.push(run);
        progress.doing(`comparing the rows of ${job.name}`);
        const user = userInfo().username;
        const found = job.isCompared
          ? await compare({ ...place, folder, user }, filled, signal)
          : "";
        progress.done();
        progress.say(`round ${round}   ${job.name}: ${runLine(run, records)}; ${found}`);
      }
    }
  });
}
