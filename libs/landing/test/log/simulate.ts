// node --conditions=@hybridge/source libs/landing/test/log/simulate.ts [--shape 0|1] [--days N] [--json]
// The landing log over years, by a clock of events. Nothing is timed: it shows that folders and
// starts stay small, and that each offset is landed once. docs/benchmarks.md has what came out.
import { parseArgs } from "node:util";
import { simulateLog, type SimulationOptions } from "../../src/testing/index.ts";

const shapes: readonly Omit<SimulationOptions, "random">[] = [
  { days: 365, intervalMs: 60_000, partitions: 50, workers: 1, startEvery: 997 },
  { days: 7, intervalMs: 5_000, partitions: 200, workers: 20, startEvery: 997 },
];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { shape: { type: "string" }, days: { type: "string" }, json: { type: "boolean" } },
  });
  const chosen =
    values.shape === undefined ? shapes : shapes.slice(Number(values.shape)).slice(0, 1);
  let failures = 0;
  for (const shape of chosen) {
    const days = values.days === undefined ? shape.days : Number(values.days);
    const result = await simulateLog({ ...shape, days, random: Math.random });
    const { workers, partitions, intervalMs } = shape;
    const holds =
      result.folderNames <= 10_000 &&
      result.startCalls <= 200 &&
      result.startBytes <= 32 * 2 ** 20 &&
      result.followed === result.covered &&
      result.void === 0;
    if (!holds) failures += 1;
    const line = { workers, partitions, intervalMs, days, ...result, holds };
    process.stdout.write(
      values.json
        ? `${JSON.stringify(line)}\n`
        : `${days} days, ${workers} workers at ${intervalMs} ms, ${partitions} partitions: ` +
            `${result.commits} commits (${result.commitsPerHourMax} in an hour at most), ` +
            `${result.crashes} crashes, ${result.lost} flushes lost to another; at most ` +
            `${result.folderNames} names in a folder, ${result.startCalls} calls and ` +
            `${result.startBytes} bytes for a start (${result.starts} seen); ` +
            `${result.covered} of ${result.produced} offsets landed, ${result.followed} followed: ` +
            `${holds ? "holds" : "DOES NOT HOLD"}\n`,
    );
  }
  return failures;
}

process.exitCode = await main();
