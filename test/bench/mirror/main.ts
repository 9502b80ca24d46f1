import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startProxied, type ProxiedCluster } from "../../support/proxied-cluster.ts";
import { startHybridge, startMirrorMaker, type Contest, type Contestant } from "./contestants.ts";
import { digestOf, measure, type Measured } from "./measure.ts";
import { fillTopic, shapes, type Shape } from "./shapes.ts";

const USAGE = `npm run bench -- mirror [--records N] [--rounds N] [--shape NAME] [--alone] [--json]

Runs MirrorMaker 2 and Hybridge by turns on the same brokers and data and prints medians and
ratios. --alone leaves MirrorMaker 2 out.
`;

interface Result {
  readonly name: string;
  readonly hybridge: Omit<Measured, "digest">;
  readonly mirrorMaker: Omit<Measured, "digest"> | undefined;
}

/** @returns 0 when everything was mirrored with the right content */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      records: { type: "string", default: "1500000" },
      rounds: { type: "string", default: "3" },
      shape: { type: "string" },
      alone: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const say = (text: string) => (values.json ? process.stderr : process.stdout).write(text);
  const dir = mkdtempSync(join(tmpdir(), "hybridge-bench-"));
  const results: Result[] = [];
  try {
    for (const shape of shapes) {
      if (values.shape !== undefined && values.shape !== shape.name) continue;
      // Fresh brokers for each shape: a gigabyte of old log would be in the way of the page cache.
      await using source = await startProxied(join(dir, shape.name), "source");
      await using target = await startProxied(join(dir, shape.name), "target");
      target.proxy.delay(shape.roundTripMs);
      const settings = {
        records: Math.round(Number(values.records) * shape.share),
        rounds: Number(values.rounds),
        isAlone: values.alone,
        dir,
      };
      results.push(await runShape(shape, source, target, settings, say));
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  say(table(results));
  if (values.json) process.stdout.write(`${JSON.stringify({ shapes: results.map(summary) })}\n`);
  return 0;
}

async function runShape(
  shape: Shape,
  source: ProxiedCluster,
  target: ProxiedCluster,
  settings: { records: number; rounds: number; isAlone: boolean; dir: string },
  say: (text: string) => void,
): Promise<Result> {
  const signal = AbortSignal.timeout(60 * 60_000);
  const topic = `bench-${shape.name}`;
  const filled = await fillTopic(source.direct, topic, shape, settings.records, signal);
  const expected = await digestOf(source.direct, topic, signal);
  say(
    `${shape.name}: ${filled.records} records, ${(filled.bytes / 1e6).toFixed(0)} MB of values\n`,
  );
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  for (let round = 1; round <= settings.rounds; round++) {
    const contest: Contest = {
      source: source.direct.bootstrap,
      target: shape.roundTripMs > 0 ? target.proxied : target.direct.bootstrap,
      topic,
      shape,
      round,
      dir: settings.dir,
    };
    const runOne = async (start: (contest: Contest) => Contestant, into: Measured[]) => {
      await using mirror = start(contest);
      const at = { target: target.direct, topic: mirror.targetTopic, pid: mirror.pid, ...filled };
      const measured = await measure(at, signal);
      const digest = await digestOf(target.direct, mirror.targetTopic, signal);
      if (digest !== expected) throw new Error(`${mirror.targetTopic}: the content differs`);
      into.push({ ...measured, digest });
      say(`  ${mirror.targetTopic}: ${describe(measured)}\n`);
    };
    if (!settings.isAlone) await runOne(startMirrorMaker, theirs);
    await runOne(startHybridge, ours);
  }
  return {
    name: shape.name,
    hybridge: medians(ours),
    mirrorMaker: theirs.length === 0 ? undefined : medians(theirs),
  };
}

function medians(runs: readonly Measured[]): Omit<Measured, "digest"> {
  const median = (pick: (run: Measured) => number) => {
    const sorted = runs.map(pick).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? 0;
  };
  return {
    recordsPerSecond: median((run) => run.recordsPerSecond),
    cpuSecondsPerGb: median((run) => run.cpuSecondsPerGb),
    rssPeakMb: median((run) => run.rssPeakMb),
  };
}

function describe(run: Omit<Measured, "digest">): string {
  return `${Math.round(run.recordsPerSecond)} records/s, ${run.cpuSecondsPerGb.toFixed(2)} CPU s/GB, ${Math.round(run.rssPeakMb)} MB`;
}

function summary(result: Result) {
  const { name, hybridge, mirrorMaker } = result;
  if (!mirrorMaker) return { name, hybridge };
  const ratio = (ours: number, theirs: number) => Number((ours / theirs).toFixed(4));
  return {
    name,
    rateRatio: ratio(hybridge.recordsPerSecond, mirrorMaker.recordsPerSecond),
    cpuRatio: ratio(hybridge.cpuSecondsPerGb, mirrorMaker.cpuSecondsPerGb),
    rssRatio: ratio(hybridge.rssPeakMb, mirrorMaker.rssPeakMb),
    hybridge,
    mirrorMaker,
  };
}

function table(results: readonly Result[]): string {
  const lines = ["", "shape            mirror          records/s  CPU s/GB  peak MB"];
  for (const { name, hybridge, mirrorMaker } of results) {
    const row = (who: string, run: Omit<Measured, "digest">) =>
      `${name.padEnd(16)} ${who.padEnd(14)} ${String(Math.round(run.recordsPerSecond)).padStart(10)} ${run.cpuSecondsPerGb.toFixed(2).padStart(9)} ${String(Math.round(run.rssPeakMb)).padStart(8)}`;
    if (mirrorMaker) lines.push(row("MirrorMaker 2", mirrorMaker));
    lines.push(row("Hybridge", hybridge));
    if (!mirrorMaker) continue;
    const rate = hybridge.recordsPerSecond / mirrorMaker.recordsPerSecond;
    const cpu = mirrorMaker.cpuSecondsPerGb / hybridge.cpuSecondsPerGb;
    const rss = mirrorMaker.rssPeakMb / hybridge.rssPeakMb;
    lines.push(
      `${"".padEnd(16)} ${rate.toFixed(1)} times the rate, 1/${cpu.toFixed(1)} of the CPU, 1/${rss.toFixed(1)} of the memory`,
    );
  }
  return `${lines.join("\n")}\n`;
}
