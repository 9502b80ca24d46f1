import { openReader, type ClusterOptions } from "@hybridge/kafka";
import { sequenceOf } from "./paced-producer.ts";

/**
 * When a consumer saw each record, by partition and sequence number, on this process's clock: the
 * consumers of the source and of the target are in one process, so that their times compare.
 */
export class Sightings {
  readonly #atMs: number[][];

  constructor(partitions: number) {
    this.#atMs = Array.from({ length: partitions }, () => []);
  }

  at(partition: number, sequence: number): number | undefined {
    return this.#atMs[partition]?.[sequence];
  }

  /** How many records of a partition were seen; all of them are when none was skipped. */
  count(partition: number): number {
    return this.#atMs[partition]?.length ?? 0;
  }

  /** Reads from the beginning until the signal is aborted. */
  async watch(cluster: ClusterOptions, topic: string, signal: AbortSignal): Promise<void> {
    const positions = new Map(this.#atMs.map((_, partition) => [partition, "earliest" as const]));
    for await (const { partition, records } of openReader({ cluster, topic, positions, signal })) {
      const now = performance.now();
      const seen = this.#atMs[partition];
      for (const { key } of records) {
        const sequence = sequenceOf(key);
        if (sequence !== seen?.length) {
          throw new Error(
            `${topic}-${partition}: record ${sequence} came, ${seen?.length} was due`,
          );
        }
        seen.push(now);
      }
    }
  }
}

/** What lies between two sightings of many records, in milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** @param from by partition the first sequence number that counts, `to` the one after the last */
export function addedLatency(
  source: Sightings,
  target: Sightings,
  from: readonly number[],
  to: readonly number[],
): Latency {
  const added: number[] = [];
  for (const [partition, first] of from.entries()) {
    for (let sequence = first; sequence < (to[partition] ?? first); sequence++) {
      const [seen, arrived] = [source.at(partition, sequence), target.at(partition, sequence)];
      if (seen === undefined || arrived === undefined) throw new Error("a record was not seen");
      added.push(arrived - seen);
    }
  }
  const sorted = Float64Array.from(added).sort();
  const at = (share: number) => {
    const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
    return Math.round((sorted[index] ?? 0) * 100) / 100;
  };
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
