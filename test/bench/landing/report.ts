import type { Run } from "./contestants.ts";

/** The runs of one job, and how its rows may be compared. */
export interface Results {
  readonly name: string;
  readonly runs: Run[];
}

interface Medians {
  readonly rate: number;
  readonly cpu: number;
  readonly rss: number;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? 0) + upper) / 2 : upper;
}

function mediansOf({ runs }: Results, records: number): Medians {
  return {
    rate: median(runs.map(({ seconds }) => records / seconds)),
    cpu: median(runs.map(({ cpuSeconds }) => (cpuSeconds / records) * 1e6)),
    rss: median(runs.map(({ rssPeakMb }) => rssPeakMb)),
  };
}

export function runLine({ seconds, cpuSeconds, rssPeakMb }: Run, records: number): string {
  return (
    `${Math.round(records / seconds)} records/s, ${((cpuSeconds / records) * 1e6).toFixed(1)} ` +
    `CPU s per million, ${Math.round(rssPeakMb)} MiB at most`
  );
}

/** A table of medians, and Hybridge's ratios to each of the others. */
export function table(ours: Results, peers: readonly Results[], records: number): string {
  const lines = ["| job | records/s | CPU s per million | peak RSS, MiB |", "|---|---|---|---|"];
  for (const results of [ours, ...peers]) {
    const { rate, cpu, rss } = mediansOf(results, records);
    lines.push(
      `| ${results.name} | ${Math.round(rate)} | ${cpu.toFixed(1)} | ${Math.round(rss)} |`,
    );
  }
  for (const peer of peers) {
    const { rateRatio, cpuRatio, rssRatio } = ratios(ours, peer, records);
    lines.push(
      `beside ${peer.name}: ${rateRatio} times the rate, 1/${cpuRatio} of the CPU, 1/${rssRatio} of the memory`,
    );
  }
  return lines.join("\n");
}

/** Rate is ours to theirs, the others theirs to ours: more is better for us in all. */
export function ratios(ours: Results, peer: Results, records: number) {
  const us = mediansOf(ours, records);
  const them = mediansOf(peer, records);
  const rounded = (value: number) => Math.round(value * 100) / 100;
  return {
    rateRatio: rounded(us.rate / them.rate),
    cpuRatio: rounded(them.cpu / us.cpu),
    rssRatio: rounded(them.rss / us.rss),
  };
}
