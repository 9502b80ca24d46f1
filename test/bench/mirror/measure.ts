import { setTimeout as sleep } from "node:timers/promises";
import { Cluster, endsOf } from "@hybridge/kafka/raw";
import type { ProxiedCluster } from "../../support/proxied-cluster.ts";
import type { Contestant } from "./contestants.ts";
import { cpuSeconds, rssPeakMb } from "./process-usage.ts";
import type { Progress } from "./progress.ts";
import type { Filled } from "./shapes.ts";

/** One run of one mirror over one topic. */
export interface Measured {
  readonly recordsPerSecond: number;
  /** Of the mirror, per GB of keys and values. */
  readonly cpuSecondsPerGb: number;
  readonly rssPeakMb: number;
  /** Of the brokers: what they have to do for the mirror, and often what bounds it. */
  readonly sourceCpuSecondsPerGb: number;
  readonly targetCpuSecondsPerGb: number;
}

/** A tenth of a second of a fast mirror is still four looks. */
const LOOK_EVERY_MS = 25;
const PATIENCE_MS = 10 * 60_000;
/** Less than this would be a measurement of the end only. */
const SHARE_LEAST = 0.3;

/** What is counted, at one moment. */
interface Moment {
  readonly atMs: number;
  readonly count: number;
  readonly cpu: number;
  readonly sourceCpu: number;
  readonly targetCpu: number;
}

/**
 * Watches a mirror at work: from the first record in the target, so that no start-up counts, to
 * the last. CPU is that of the process, user and system; the peak is the kernel's high-water mark.
 */
export async function measure(
  at: {
    readonly source: ProxiedCluster;
    readonly target: ProxiedCluster;
    readonly mirror: Contestant;
    readonly filled: Filled;
    readonly progress: Progress;
  },
  signal: AbortSignal,
): Promise<Measured> {
  const { source, target, mirror, filled, progress } = at;
  const { records, bytes } = filled;
  const deadlineMs = performance.now() + PATIENCE_MS;
  // One connection and one small request at a time: whoever watches takes from the same cores.
  await using cluster = new Cluster(target.direct);
  let first: Moment | undefined;
  for (;;) {
    const count = await countIn(cluster, mirror, signal);
    const now: Moment = {
      atMs: performance.now(),
      count,
      cpu: cpuSeconds(mirror.pid),
      sourceCpu: cpuSeconds(source.kafka.pid),
      targetCpu: cpuSeconds(target.kafka.pid),
    };
    if (count > 0) first ??= now;
    progress.doing(mirror.targetTopic, `: ${count} of ${records} records are in the target`);
    if (first && count >= records) {
      const share = (records - first.count) / records;
      if (share < SHARE_LEAST) {
        const through = Math.round((1 - share) * 100);
        throw new Error(
          `${mirror.targetTopic}: ${through} % of the records were through at the first look; give more --records`,
        );
      }
      progress.done();
      return between(first, now, (bytes * share) / 1e9, rssPeakMb(mirror.pid));
    }
    if (now.atMs > deadlineMs) {
      throw new Error(`${mirror.targetTopic}: only ${count} of ${records} records came`);
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

function between(first: Moment, last: Moment, gb: number, rssPeak: number): Measured {
  return {
    recordsPerSecond: (last.count - first.count) / ((last.atMs - first.atMs) / 1000),
    cpuSecondsPerGb: (last.cpu - first.cpu) / gb,
    rssPeakMb: rssPeak,
    sourceCpuSecondsPerGb: (last.sourceCpu - first.sourceCpu) / gb,
    targetCpuSecondsPerGb: (last.targetCpu - first.targetCpu) / gb,
  };
}

async function countIn(
  target: Cluster,
  { targetTopic, fencesPerPartition }: Contestant,
  signal: AbortSignal,
): Promise<number> {
  const known =
    target.known(targetTopic) ?? (await target.describe([targetTopic], signal)).topics[0];
  if (known?.error !== 0) return 0;
  let count = 0;
  for (const end of (await endsOf(target, targetTopic, signal)).values()) {
    count += Math.max(0, Number(end) - fencesPerPartition);
  }
  return count;
}
