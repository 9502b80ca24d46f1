import { describeLatency, type LatencyResult } from "./latency.ts";
import type { LimitsResult } from "./limits.ts";
import type { Measured } from "./measure.ts";
import type { ShapeResult } from "./throughput.ts";

/** For a program: ratios are Hybridge's value by MirrorMaker 2's. */
export function shapeSummary(result: ShapeResult) {
  const { hybridge, mirrorMaker } = result;
  const ratio = (pick: (run: Measured) => number) =>
    mirrorMaker ? Number((pick(hybridge) / pick(mirrorMaker)).toFixed(4)) : null;
  return {
    name: result.name,
    rateRatio: ratio((run) => run.recordsPerSecond),
    cpuRatio: ratio((run) => run.cpuSecondsPerGb),
    rssRatio: ratio((run) => run.rssPeakMb),
    records: result.records,
    hybridge,
    mirrorMaker: mirrorMaker ?? null,
    rounds: result.rounds,
  };
}

export function shapesTable(results: readonly ShapeResult[], rounds: number): string {
  const of = rounds === 1 ? "one round" : `medians of ${rounds} rounds`;
  const head = ["shape", "mirror", "records/s", "CPU s/GB", "peak MB", "brokers' CPU s/GB"];
  const lines = [`\n${of}; the brokers' CPU is that of source + target`, row(head)];
  for (const { name, hybridge, mirrorMaker } of results) {
    if (mirrorMaker) lines.push(row([name, "MirrorMaker 2", ...cells(mirrorMaker)]));
    lines.push(row([name, "Hybridge", ...cells(hybridge)]));
    if (!mirrorMaker) continue;
    const rate = hybridge.recordsPerSecond / mirrorMaker.recordsPerSecond;
    const cpu = mirrorMaker.cpuSecondsPerGb / hybridge.cpuSecondsPerGb;
    const rss = mirrorMaker.rssPeakMb / hybridge.rssPeakMb;
    lines.push(
      `${"".padEnd(16)}${rate.toFixed(1)} times the rate, 1/${cpu.toFixed(1)} of the CPU, 1/${rss.toFixed(1)} of the memory`,
    );
  }
  return lines.join("\n");
}

export function latencyTable(result: LatencyResult): string {
  const { recordsPerSecond, loadFrom, hybridge, mirrorMaker } = result;
  const lines = [`\nadded latency at ${recordsPerSecond} records/s (${loadFrom})`];
  const both = [["MirrorMaker 2", mirrorMaker] as const, ["Hybridge", hybridge] as const];
  for (const [name, added] of both) {
    if (!added) continue;
    lines.push(`${name.padEnd(16)}at load          ${describeLatency(added.load)}`);
    lines.push(`${name.padEnd(16)}record a second  ${describeLatency(added.trickle)}`);
  }
  return lines.join("\n");
}

export function limitsTable(result: LimitsResult): string {
  const { partitions, dataMb, stalledRssPeakMb, idleCpuPercent, idleCpuPercentFew } = result;
  return [
    `\nlimits of Hybridge, with what they are meant to be`,
    `memory, ${partitions} partitions, ${dataMb} MB waiting, target stopped: ${stalledRssPeakMb} MB (256)`,
    `CPU of one core while idle: ${idleCpuPercent} % with ${partitions} partitions, ${idleCpuPercentFew} % with few (1)`,
  ].join("\n");
}

function cells(run: Measured): string[] {
  return [
    String(Math.round(run.recordsPerSecond)),
    run.cpuSecondsPerGb.toFixed(2),
    String(Math.round(run.rssPeakMb)),
    `${run.sourceCpuSecondsPerGb.toFixed(2)} + ${run.targetCpuSecondsPerGb.toFixed(2)}`,
  ];
}

function row([shape = "", mirror = "", ...numbers]: readonly string[]): string {
  const widths = [10, 9, 8, 18];
  const right = numbers.map((text, index) => text.padStart(widths[index] ?? 0)).join(" ");
  return `${shape.padEnd(16)}${mirror.padEnd(14)}${right}`;
}
