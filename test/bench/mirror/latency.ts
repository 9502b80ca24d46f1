import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureTopic, partitionCount } from "@hybridge/kafka";
import { startBrokers, type Brokers } from "./brokers.ts";
import { startHybridge, startMirrorMaker, type Contest, type Contestant } from "./contestants.ts";
import type { Options } from "./options.ts";
import { PacedProducer } from "./paced-producer.ts";
import type { Progress } from "./progress.ts";
import { PARTITIONS } from "./shapes.ts";
import { addedLatency, Sightings, type Latency } from "./sightings.ts";

/** What one mirror adds. */
export interface AddedLatency {
  /** At half the load that MirrorMaker 2 carries. */
  readonly load: Latency;
  /** A record every second and nothing else. */
  readonly trickle: Latency;
}

export interface LatencyResult {
  readonly recordsPerSecond: number;
  readonly loadFrom: string;
  readonly hybridge: AddedLatency;
  readonly mirrorMaker: AddedLatency | undefined;
}

/** Half of what MirrorMaker 2 carries of batches of 16 KiB on two cores, about. */
const LOAD_DEFAULT = 30_000;
const WARM_UP_MS = 10_000;
const MEASURED_MS = 20_000;
const PAUSE_MS = 3_000;
const TRICKLE_RECORDS = 15;
const START_MS = 120_000;
const ARRIVAL_MS = 60_000;

/** @param carried what MirrorMaker 2 was measured to carry, in records per second */
export async function runLatency(
  carried: number | undefined,
  options: Options,
  dir: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<LatencyResult> {
  const recordsPerSecond = carried === undefined ? LOAD_DEFAULT : Math.round(carried / 2);
  const loadFrom =
    carried === undefined
      ? "the default; run the shape 16KiB-lz4 as well for half of what MirrorMaker 2 carries here"
      : "half of MirrorMaker 2's median for 16KiB-lz4";
  progress.say(`\nlatency at ${recordsPerSecond} records/s (${loadFrom})`);
  await using brokers = await startBrokers(join(dir, "latency"), progress);
  const measureOne = async (start: (contest: Contest) => Contestant, run: string) => {
    const topic = `latency-${run}`;
    const [source, target] = [brokers.source.direct, brokers.target.direct];
    await ensureTopic(source, { topic, partitions: PARTITIONS }, signal);
    await using mirror = start({
      source: source.bootstrap,
      target: target.bootstrap,
      topic,
      run,
      dir,
    });
    const result = await observe(mirror, topic, { brokers, recordsPerSecond, progress }, signal);
    progress.say(`  ${mirror.name.padEnd(13)}  at load  ${describeLatency(result.load)}`);
    progress.say(`  ${mirror.name.padEnd(13)}  trickle  ${describeLatency(result.trickle)}`);
    return result;
  };
  const mirrorMaker = options.isAlone
    ? undefined
    : await measureOne((contest) => startMirrorMaker(contest, { for: "latency" }), "mm2");
  const hybridge = await measureOne(startHybridge, "hybridge");
  return { recordsPerSecond, loadFrom, hybridge, mirrorMaker };
}

export function describeLatency({ count, p50Ms, p99Ms, maxMs }: Latency): string {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  return `p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, max ${ms(maxMs)} (${count} records)`;
}

async function observe(
  mirror: Contestant,
  topic: string,
  at: { brokers: Brokers; recordsPerSecond: number; progress: Progress },
  outer: AbortSignal,
): Promise<AddedLatency> {
  const { brokers, recordsPerSecond, progress } = at;
  const [source, target] = [brokers.source.direct, brokers.target.direct];
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, mirror.ended, stop.signal]);
  const [there, here] = [new Sightings(PARTITIONS), new Sightings(PARTITIONS)];
  progress.doing(`${mirror.name} starts`);
  await until(
    async () => (await partitionCount(target, mirror.targetTopic, signal)) === PARTITIONS,
    START_MS,
    signal,
  );
  const failed = (error: unknown) => stop.abort(error);
  const watching = [
    there.watch(source, topic, signal).catch(failed),
    here.watch(target, mirror.targetTopic, signal).catch(failed),
  ];
  try {
    await using producer = await PacedProducer.open(source, topic, PARTITIONS, signal);
    const arrived = (ms: number) => {
      const isSeen = (sent: number, partition: number) =>
        there.count(partition) >= sent && here.count(partition) >= sent;
      return until(() => producer.sent.every(isSeen), ms, signal);
    };
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await producer.sendOne(partition, 1, signal);
    }
    await arrived(START_MS);
    progress.doing(`${mirror.name} warms up under load`);
    await producer.run(recordsPerSecond, WARM_UP_MS, signal);
    const from = [...producer.sent];
    progress.doing(`${mirror.name} is measured under load`);
    await producer.run(recordsPerSecond, MEASURED_MS, signal);
    const to = [...producer.sent];
    await arrived(ARRIVAL_MS);
    progress.doing(`${mirror.name} is measured with a record a second`);
    await sleep(PAUSE_MS, undefined, { signal });
    await trickle(producer, signal);
    await arrived(ARRIVAL_MS);
    progress.done();
    return {
      load: addedLatency(there, here, from, to),
      trickle: addedLatency(there, here, to, producer.sent),
    };
  } finally {
    stop.abort();
    await Promise.all(watching);
  }
}

async function trickle(producer: PacedProducer, signal: AbortSignal): Promise<void> {
  for (let count = 0; count < TRICKLE_RECORDS; count++) {
    await producer.sendOne(count % PARTITIONS, 1, signal);
    // Not in step with anything that happens once a second.
    await sleep(900 + ((count * 83) % 200), undefined, { signal });
  }
}

async function until(
  isSo: () => boolean | Promise<boolean>,
  patienceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) {
      throw new Error(
        `what was waited for did not come in ${patienceMs / 1000} s: is the load too high?`,
      );
    }
    await sleep(20, undefined, { signal });
  }
}
