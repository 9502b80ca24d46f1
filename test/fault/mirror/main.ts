import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureTopic, type ClusterOptions } from "@hybridge/kafka";
import {
  compareTopics,
  produceBatches,
  randomRecords,
  seededRandom,
  TransactionalProducer,
  type Random,
} from "@hybridge/kafka/testing";
import { startProxied, type ProxiedCluster } from "../../support/proxied-cluster.ts";
import { faults, sleep, type Stage } from "./faults.ts";
import { startMirrorService, type MirrorService } from "./service.ts";

const USAGE = `npm run fault -- mirror [--runs N] [--seed S] [--keep]

Breaks the mirror, its connections and its brokers while records stream, and compares source and
target record by record after each run. A run is repeated by its own seed with --runs 1.
`;

const PARTITIONS = 3;
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
const PATIENCE_MS = 90_000;

/** @returns 0 when every run passed */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const dir = mkdtempSync(join(tmpdir(), "hybridge-fault-"));
  const began = Date.now();
  let [passed, records] = [0, 0];
  const runs = Number(values.runs);
  {
    await using source = await startProxied(dir, "source");
    await using target = await startProxied(dir, "target");
    for (let run = 0; run < runs; run++) {
      const seed = Number(values.seed) + run;
      const outcome = await runOnce({ source, target, seed, dir });
      process.stdout.write(`${outcome.line}\n`);
      if (outcome.records > 0) passed += 1;
      records += outcome.records;
    }
  }
  const isKept = values.keep || passed < runs;
  if (!isKept) rmSync(dir, { recursive: true, force: true });
  else process.stdout.write(`logs are kept in ${dir}\n`);
  const seconds = Math.round((Date.now() - began) / 1000);
  const summary = { runs, passed, records, seed: Number(values.seed), seconds };
  process.stdout.write(`${JSON.stringify(summary)}\n`);
  return passed === runs ? 0 : 1;
}

interface Run {
  readonly source: ProxiedCluster;
  readonly target: ProxiedCluster;
  readonly seed: number;
  readonly dir: string;
}

async function runOnce(run: Run): Promise<{ line: string; records: number }> {
  const { source, target, seed, dir } = run;
  const random = seededRandom(seed);
  const topic = `fault-${seed}-${Date.now()}`;
  const signal = AbortSignal.timeout(5 * 60_000);
  await ensureTopic(source.direct, { topic, partitions: PARTITIONS }, signal);
  const services: MirrorService[] = [];
  const start = (failpoint?: string): MirrorService => {
    const service = startMirrorService(
      settingsFor(run, topic, random, failpoint),
      join(dir, `${topic}.log`),
    );
    services.push(service);
    return service;
  };
  const current = () => services.at(-1) ?? start();
  const stage: Stage = { source, target, random, current, start };
  const names = Object.keys(faults);
  const chosen = Array.from(
    { length: 2 + Math.floor(random() * 3) },
    () => names[Math.floor(random() * names.length)] ?? "kill the mirror",
  );
  const began = Date.now();
  const done = new AbortController();
  const filling = fillUntil(source.direct, topic, random, done.signal, signal);
  try {
    start();
    await sleep(Math.floor(random() * 2_500));
    for (const name of chosen) await faults[name]?.(stage);
    done.abort();
    await filling;
    const records = await judge(run, topic, stage, signal);
    return { line: line("ok", seed, records, chosen, began), records };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { line: `${line("FAILED", seed, 0, chosen, began)}\n  ${reason}`, records: 0 };
  } finally {
    done.abort();
    await filling.catch(() => undefined);
    for (const service of services) await service[Symbol.asyncDispose]();
  }
}

function settingsFor(run: Run, topic: string, random: Random, failpoint: string | undefined) {
  return {
    HYBRIDGE_SOURCE_BOOTSTRAP: run.source.proxied,
    HYBRIDGE_TARGET_BOOTSTRAP: run.target.proxied,
    HYBRIDGE_TOPICS: topic,
    HYBRIDGE_MIRROR_ID: `fault-${run.seed}`,
    HYBRIDGE_POSITIONS_MS: random() < 0.5 ? "200" : "5000",
    HYBRIDGE_IN_FLIGHT: String(1 + Math.floor(random() * 12)),
    HYBRIDGE_MERGE: random() < 0.7 ? "auto" : "off",
    HYBRIDGE_DISCOVER_MS: "500",
    ...(failpoint === undefined ? {} : { HYBRIDGE_FAILPOINT: failpoint }),
  };
}

function line(
  verdict: string,
  seed: number,
  records: number,
  chosen: readonly string[],
  began: number,
): string {
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  return `${verdict} seed ${seed}: ${records} records, ${seconds} s: ${chosen.join("; ")}`;
}

/** Streams records of all shapes, some in transactions, until told to stop; survives bounces. */
async function fillUntil(
  cluster: ClusterOptions,
  topic: string,
  random: Random,
  done: AbortSignal,
  signal: AbortSignal,
): Promise<void> {
  // Its own generator: how often it runs depends on time, and must not move the faults.
  const own = seededRandom(Math.floor(random() * 2 ** 31));
  let round = 0;
  do {
    const partition = Math.floor(own() * PARTITIONS);
    const compression = CODECS[Math.floor(own() * CODECS.length)] ?? "none";
    const lists = Array.from({ length: 8 }, () => randomRecords(own, 1 + Math.floor(own() * 30)));
    const at = { topic, partition, compression };
    // A source broker that is killed here may or may not have taken a batch: both are fine, the
    // source log is the reference.
    await produceBatches(cluster, at, lists, signal).catch(() => sleep(200));
    if (own() < 0.2) await transact(cluster, topic, own, signal).catch(() => sleep(200));
    round += 1;
    await sleep(20);
  } while (!done.aborted || round < 5);
}

async function transact(
  cluster: ClusterOptions,
  topic: string,
  own: Random,
  signal: AbortSignal,
): Promise<void> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  await using producer = new TransactionalProducer(cluster, `writer-${topic}`, soon);
  await producer.begin();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await producer.send({ topic, partition }, randomRecords(own, 5));
  }
  await producer.end(own() < 0.6);
}

/** Waits until source and target are the same; what they never become is the failure. */
async function judge(run: Run, topic: string, stage: Stage, signal: AbortSignal): Promise<number> {
  if (stage.current().hasEnded()) stage.start();
  const from = { cluster: run.source.direct, topic };
  const to = { cluster: run.target.direct, topic };
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const { records } = await compareTopics(from, to, signal);
      // Nothing may come after: a late doubling would show now.
      await sleep(300);
      await compareTopics(from, to, signal);
      return records;
    } catch (error) {
      if (Date.now() > deadline || stage.current().hasEnded()) throw error;
      await sleep(250);
    }
  }
}
