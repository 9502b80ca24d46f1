import type { LandingRecord, OpenSource } from "../ports.ts";

/** A topic in memory. Offsets may have holes, as control records and compaction leave them. */
export interface MemorySource {
  readonly open: OpenSource;
  append(partition: number, records: readonly LandingRecord[]): void;
  /** Where a log without more records ends; past control records. */
  setEnd(partition: number, end: bigint): void;
}

/** @param batchSize how many records one batch of the source holds */
export function memorySource(topic: string, batchSize = 10): MemorySource {
  const logs = new Map<number, { records: LandingRecord[]; end: bigint }>();
  let changed = Promise.withResolvers<undefined>();
  const logOf = (partition: number) => {
    const log = logs.get(partition) ?? { records: [], end: 0n };
    logs.set(partition, log);
    return log;
  };
  const wake = () => {
    changed.resolve(undefined);
    changed = Promise.withResolvers();
  };
  return {
    append(partition, records) {
      const log = logOf(partition);
      log.records.push(...records);
      log.end = (records.at(-1)?.offset ?? log.end - 1n) + 1n;
      wake();
    },
    setEnd(partition, end) {
      logOf(partition).end = end;
      wake();
    },
    async *open(positions, signal) {
      const next = new Map([...positions].map(([id, at]) => [id, at === "earliest" ? 0n : at]));
      const stop = () => wake();
      signal.addEventListener("abort", stop, { once: true });
      while (!signal.aborted) {
        let moved = false;
        const wait = changed.promise;
        for (const [partition, position] of next) {
          const { records: all, end } = logOf(partition);
          if (position >= end) continue;
          const records = all.filter((record) => record.offset >= position).slice(0, batchSize);
          const last = records.at(-1)?.offset;
          const isEnd = last === all.at(-1)?.offset || last === undefined;
          const nextOffset = isEnd ? end : last + 1n;
          next.set(partition, nextOffset);
          moved = true;
          yield { topic, partition, records, nextOffset, endOffset: end };
        }
        if (!moved) await wait;
      }
    },
  };
}
