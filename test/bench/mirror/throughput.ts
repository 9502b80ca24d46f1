import { join } from "node:path";
import { deleteTopic, startBrokers, type Brokers } from "./brokers.ts";
import { startHybridge, startMirrorMaker, type Contest, type Contestant } from "./contestants.ts";
import { digestOf, type Digest } from "./digest.ts";
import { measure, type Measured } from "./measure.ts";
import type { Options } from "./options.ts";
import type { Progress } from "./progress.ts";
import { fillTopic, PARTITIONS, shapes, type Filled, type Shape } from "./shapes.ts";

/** A shape's medians, and the rounds behind them. */
export interface ShapeResult {
  readonly name: string;
  readonly records: number;
  readonly hybridge: Measured;
  readonly mirrorMaker: Measured | undefined;
  readonly rounds: {
    readonly hybridge: readonly Measured[];
    readonly mirrorMaker: readonly Measured[];
  };
}

/** @throws Error when the content of a target is not that of the source */
export async function runShapes(
  options: Options,
  dir: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<ShapeResult[]> {
  const results: ShapeResult[] = [];
  for (const shape of shapes) {
    if (!options.shapes.includes(shape.name)) continue;
    // Fresh brokers for each shape: neither heap nor log remembers the one before.
    await using brokers = await startBrokers(join(dir, shape.name), progress);
    brokers.target.proxy.delay(shape.roundTripMs);
    results.push(await runShape(shape, brokers, { ...options, dir }, progress, signal));
  }
  return results;
}

async function runShape(
  shape: Shape,
  brokers: Brokers,
  options: Options & { readonly dir: string },
  progress: Progress,
  signal: AbortSignal,
): Promise<ShapeResult> {
  const topic = `bench-${shape.name}`;
  const { direct } = brokers.source;
  const records = Math.round(options.records * shape.share);
  progress.doing(`${topic} is filled`);
  const filling = { topic, partitions: PARTITIONS, shape, records };
  const filled = await fillTopic(direct, filling, signal);
  progress.doing(`${topic} is read, for its digest`);
  const expected = await digestOf(direct, topic, signal);
  if (expected.records !== filled.records) throw new Error(`${topic}: the source lost records`);
  progress.done();
  progress.say(
    `\n${shape.name}: ${filled.records} records in ${PARTITIONS} partitions, ${mb(filled.bytes)} MB of keys and values, ${mb(filled.logBytes)} MB in the log`,
  );
  const [ours, theirs]: [Measured[], Measured[]] = [[], []];
  for (let round = 1 - options.warmUp; round <= options.rounds; round++) {
    const contest: Contest = {
      source: direct.bootstrap,
      target: shape.roundTripMs > 0 ? brokers.target.proxied : brokers.target.direct.bootstrap,
      topic,
      run: round > 0 ? String(round) : `warm-up${1 - round}`,
      dir: options.dir,
    };
    const run = (start: () => Contestant) =>
      runOnce(start, { brokers, filled, expected, round, progress }, signal);
    if (!options.isAlone) {
      const { compression } = shape;
      const found = await run(() => startMirrorMaker(contest, { for: "throughput", compression }));
      if (round > 0) theirs.push(found);
    }
    const found = await run(() => startHybridge(contest));
    if (round > 0) ours.push(found);
  }
  return {
    name: shape.name,
    records: filled.records,
    hybridge: medians(ours),
    mirrorMaker: theirs.length === 0 ? undefined : medians(theirs),
    rounds: { hybridge: ours, mirrorMaker: theirs },
  };
}

/** One mirror over the whole topic; its target is compared and then deleted. */
async function runOnce(
  start: () => Contestant,
  at: {
    readonly brokers: Brokers;
    readonly filled: Filled;
    readonly expected: Digest;
    readonly round: number;
    readonly progress: Progress;
  },
  signal: AbortSignal,
): Promise<Measured> {
  const { brokers, filled, expected, round, progress } = at;
  let measured: Measured;
  let name: string;
  let topic: string;
  {
    await using mirror = start();
    ({ name, targetTopic: topic } = mirror);
    progress.doing(`${name} starts`);
    const either = AbortSignal.any([signal, mirror.ended]);
    measured = await measure({ ...brokers, mirror, filled, progress }, either);
    progress.doing(`${topic} is read, for its digest`);
    const found = await digestOf(brokers.target.direct, topic, either);
    if (found.text !== expected.text) {
      throw new Error(`${topic}: the content differs: ${found.text} and not ${expected.text}`);
    }
  }
  await deleteTopic(brokers.target, topic, signal);
  progress.done();
  progress.say(
    `  ${round > 0 ? `round ${round}` : "warm-up"}  ${name.padEnd(13)}  ${describe(measured)}`,
  );
  return measured;
}

function describe(run: Measured): string {
  const fixed = (value: number) => value.toFixed(2);
  return (
    `${Math.round(run.recordsPerSecond)} records/s, ${fixed(run.cpuSecondsPerGb)} CPU s/GB, ${Math.round(run.rssPeakMb)} MB peak` +
    ` (brokers: ${fixed(run.sourceCpuSecondsPerGb)} and ${fixed(run.targetCpuSecondsPerGb)} CPU s/GB)`
  );
}

function medians(runs: readonly Measured[]): Measured {
  const median = (pick: (run: Measured) => number) => {
    const sorted = runs.map(pick).sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    const upper = sorted[middle] ?? 0;
    return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
  };
  return {
    recordsPerSecond: median((run) => run.recordsPerSecond),
    cpuSecondsPerGb: median((run) => run.cpuSecondsPerGb),
    rssPeakMb: median((run) => run.rssPeakMb),
    sourceCpuSecondsPerGb: median((run) => run.sourceCpuSecondsPerGb),
    targetCpuSecondsPerGb: median((run) => run.targetCpuSecondsPerGb),
  };
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
