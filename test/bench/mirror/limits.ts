import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster, endsOf } from "@hybridge/kafka/raw";
import { startBrokers, type Brokers } from "./brokers.ts";
import { startHybridge, type Contestant } from "./contestants.ts";
import { digestOf } from "./digest.ts";
import { cpuSeconds, rssPeakMb } from "./process-usage.ts";
import type { Progress } from "./progress.ts";
import { fillTopic, recordsPerBatch, type Shape } from "./shapes.ts";

/** What Hybridge takes when it cannot or need not work. */
export interface LimitsResult {
  readonly partitions: number;
  readonly dataMb: number;
  /** The high-water mark after the target has stood still for a while. */
  readonly stalledRssPeakMb: number;
  /** The same when everything had arrived after all. */
  readonly rssPeakMb: number;
  /** Of one core, with nothing to mirror. */
  readonly idleCpuPercent: number;
  readonly idleCpuPercentFew: number;
}

const TOPICS = 4;
const PARTITIONS_EACH = 250;
const PARTITIONS = TOPICS * PARTITIONS_EACH;
const FEW_PARTITIONS = 6;
/** One batch a partition, of the largest kind: 256 MiB in the log. */
const SHAPE: Pick<Shape, "batchBytes" | "compression"> = {
  batchBytes: 262_144,
  compression: "lz4",
};
/** Part of the records that is through when the target is stopped: the mirror is at full work. */
const STALL_AT = 0.1;
const STALL_MS = 15_000;
const SETTLE_MS = 5_000;
const IDLE_MS = 20_000;
const PATIENCE_MS = 180_000;

export async function runLimits(
  dir: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<LimitsResult> {
  await using brokers = await startBrokers(join(dir, "limits"), progress);
  progress.doing(`${PARTITIONS} partitions are made and filled`);
  const topics = Array.from({ length: TOPICS }, (_, index) => `limits-${index}`);
  const records = PARTITIONS_EACH * recordsPerBatch(SHAPE);
  let logBytes = 0;
  for (const topic of topics) {
    const filling = { topic, partitions: PARTITIONS_EACH, shape: SHAPE, records };
    logBytes += (await fillTopic(brokers.source.direct, filling, signal)).logBytes;
  }
  const dataMb = Math.round(logBytes / 1e6);
  progress.done();
  progress.say(`\nlimits: ${TOPICS} topics, ${PARTITIONS} partitions, ${dataMb} MB in the log`);
  const few = "limits-few";
  const filling = { topic: few, partitions: FEW_PARTITIONS, shape: SHAPE, records: 1 };
  await fillTopic(brokers.source.direct, filling, signal);

  const many = await measureMany(brokers, topics, records * TOPICS, { dir, progress }, signal);
  await using mirror = startHybridge({ ...addresses(brokers), topic: few, run: "few", dir });
  const either = AbortSignal.any([signal, mirror.ended]);
  const expected = FEW_PARTITIONS * recordsPerBatch(SHAPE);
  await untilThere(brokers, [mirror.targetTopic], expected, "caught up", { progress }, either);
  const idleCpuPercentFew = await idleCpu(mirror, progress, either);
  progress.say(`  idle, ${FEW_PARTITIONS} partitions: ${idleCpuPercentFew} % of a core`);
  return { partitions: PARTITIONS, dataMb, ...many, idleCpuPercentFew };
}

async function measureMany(
  brokers: Brokers,
  topics: readonly string[],
  records: number,
  at: { readonly dir: string; readonly progress: Progress },
  signal: AbortSignal,
): Promise<Pick<LimitsResult, "stalledRssPeakMb" | "rssPeakMb" | "idleCpuPercent">> {
  const { dir, progress } = at;
  await using mirror = startHybridge({
    ...addresses(brokers),
    topic: `limits-[0-9]+`,
    run: "many",
    dir,
  });
  const either = AbortSignal.any([signal, mirror.ended]);
  const targets = topics.map((topic) => `hybridge-many-${topic}`);
  const some = records * STALL_AT;
  const through = await untilThere(brokers, targets, some, "before the stall", at, either);
  const { kafka } = brokers.target;
  await kafka.kill("SIGSTOP");
  try {
    progress.doing("the target stands still");
    await sleep(STALL_MS, undefined, { signal: either });
  } finally {
    await kafka.kill("SIGCONT");
  }
  const stalledRssPeakMb = Math.round(rssPeakMb(mirror.pid));
  progress.say(
    `  target stalled for ${STALL_MS / 1000} s, with ${through} of ${records} records in it: ${stalledRssPeakMb} MB peak`,
  );
  await untilThere(brokers, targets, records, "after the stall", at, either);
  progress.doing("source and target are compared");
  for (const [index, topic] of topics.entries()) {
    const sent = await digestOf(brokers.source.direct, topic, either);
    const found = await digestOf(brokers.target.direct, targets[index] ?? "", either);
    if (sent.text !== found.text) throw new Error(`${topic}: the content differs after the stall`);
  }
  const peak = Math.round(rssPeakMb(mirror.pid));
  progress.say(`  all ${records} records arrived, once and in order: ${peak} MB peak`);
  const idleCpuPercent = await idleCpu(mirror, progress, either);
  progress.say(`  idle, ${PARTITIONS} partitions: ${idleCpuPercent} % of a core`);
  return { stalledRssPeakMb, rssPeakMb: peak, idleCpuPercent };
}

function addresses(brokers: Brokers): { source: string; target: string } {
  return {
    source: brokers.source.direct.bootstrap,
    target: brokers.target.direct.bootstrap,
  };
}

async function idleCpu(
  mirror: Contestant,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  progress.doing("nothing happens, and what that costs is measured");
  await sleep(SETTLE_MS, undefined, { signal });
  const before = { cpu: cpuSeconds(mirror.pid), atMs: performance.now() };
  await sleep(IDLE_MS, undefined, { signal });
  const spent = cpuSeconds(mirror.pid) - before.cpu;
  progress.done();
  return Math.round((spent / ((performance.now() - before.atMs) / 1000)) * 10_000) / 100;
}

/** Waits until so many records are in the target, fences left out. @returns how many are */
async function untilThere(
  brokers: Brokers,
  topics: readonly string[],
  wanted: number,
  when: string,
  { progress }: { readonly progress: Progress },
  signal: AbortSignal,
): Promise<number> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  await using cluster = new Cluster(brokers.target.direct);
  for (;;) {
    const count = await countIn(cluster, topics, signal);
    progress.doing(when, `: ${count} records are in the target`);
    if (count >= wanted) {
      progress.done();
      return count;
    }
    if (performance.now() > deadlineMs) throw new Error(`${when}: only ${count} records came`);
    await sleep(25, undefined, { signal });
  }
}

async function countIn(
  cluster: Cluster,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const topic of topics) {
    const known = cluster.known(topic) ?? (await cluster.describe([topic], signal)).topics[0];
    if (known?.error !== 0) continue;
    for (const end of (await endsOf(cluster, topic, signal)).values()) {
      count += Math.max(0, Number(end) - 1);
    }
  }
  return count;
}
