import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { openReader, partitionCount, readOffsets, type ClusterOptions } from "@hybridge/kafka";
import { PARTITIONS } from "./shapes.ts";

/** One run of one mirror over one topic. */
export interface Measured {
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerGb: number;
  readonly rssPeakMb: number;
  readonly digest: string;
}

const TICKS_PER_SECOND = 100;
const PATIENCE_MS = 10 * 60_000;

/**
 * Watches a mirror at work: from the first record in the target, so that no start-up counts, to
 * the last. CPU is that of the process, user and system; the peak is the kernel's high-water mark.
 */
export async function measure(
  options: {
    target: ClusterOptions;
    topic: string;
    pid: number;
    records: number;
    bytes: number;
  },
  signal: AbortSignal,
): Promise<Omit<Measured, "digest">> {
  const { pid, records, bytes } = options;
  const deadline = Date.now() + PATIENCE_MS;
  let first: { at: number; count: number; cpu: number } | undefined;
  for (;;) {
    const count = await countIn(options.target, options.topic, signal);
    const now = { at: performance.now(), count, cpu: cpuSeconds(pid) };
    if (count > 0) first ??= now;
    if (first && count >= records) {
      const share = (records - first.count) / records;
      if (share < 0.3)
        throw new Error("too few records: most of them were through at the first look");
      return {
        recordsPerSecond: (records - first.count) / ((now.at - first.at) / 1000),
        cpuSecondsPerGb: (now.cpu - first.cpu) / ((bytes * share) / 1e9),
        rssPeakMb: rssPeakMb(pid),
      };
    }
    if (Date.now() > deadline) throw new Error(`only ${count} of ${records} records came`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

async function countIn(target: ClusterOptions, topic: string, signal: AbortSignal) {
  if ((await partitionCount(target, topic, signal)) === undefined) return 0;
  // Fences take an offset each: never more than one per partition in a run without faults.
  const offsets = await readOffsets(target, topic, signal);
  let count = 0;
  for (const { start, end } of offsets.values()) count += Number(end - start);
  return topic.startsWith("hybridge-") ? Math.max(0, count - PARTITIONS) : count;
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function rssPeakMb(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) / 1024;
}

/** Count and content of a topic, in order per partition, whatever its batches are like. */
export async function digestOf(
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<string> {
  const ranges = await readOffsets(cluster, topic, signal);
  const sums = new Map<number, { count: number; crc: number }>();
  const open = new Set([...ranges].filter(([, { start, end }]) => end > start).map(([p]) => p));
  const done = new AbortController();
  const reader = openReader({
    cluster,
    topic,
    positions: new Map([...open].map((partition) => [partition, "earliest" as const])),
    signal: AbortSignal.any([signal, done.signal]),
  });
  for await (const { partition, records, nextOffset } of reader) {
    const sum = sums.get(partition) ?? { count: 0, crc: 0 };
    sums.set(partition, sum);
    for (const { key, value } of records) {
      sum.count += 1;
      if (key) sum.crc = crc32(key, sum.crc);
      if (value) sum.crc = crc32(value, sum.crc);
    }
    if (nextOffset >= (ranges.get(partition)?.end ?? 0n)) open.delete(partition);
    if (open.size === 0) done.abort();
  }
  signal.throwIfAborted();
  return [...sums]
    .sort(([a], [b]) => a - b)
    .map(([partition, { count, crc }]) => `${partition}:${count}:${crc.toString(16)}`)
    .join(" ");
}
