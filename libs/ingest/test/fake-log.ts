import type { KafkaRecord, RecordHeaders, RecordToSend } from "@hybridge/kafka";
import type { KafkaPort } from "../src/publisher/session.ts";

/** A topic in memory: records and fences, in order, by partition. */
export interface FakeLog {
  readonly port: KafkaPort;
  /** Data records of a partition. */
  records(partition: number): readonly KafkaRecord[];
  /** Called around every append; may throw, as a broker or a crash would. */
  readonly hooks: {
    beforeAppend?: (partition: number, records: readonly RecordToSend[]) => void;
    afterAppend?: (partition: number) => void;
  };
  /** Makes the records look as if others had written them. */
  rewriteHeaders(change: (headers: RecordHeaders) => RecordHeaders): void;
  /** Adds partitions, as an operator does. */
  grow(count: number): void;
  /** Deletes everything, as retention does: offsets go on. */
  expire(partition: number): void;
}

interface Partition {
  start: number;
  /** null is a control record: the marker of a fence. */
  entries: (KafkaRecord | null)[];
}

export function fakeLog(partitions: number): FakeLog {
  const log: Partition[] = Array.from({ length: partitions }, () => ({ start: 0, entries: [] }));
  let owner = 0;
  const hooks: FakeLog["hooks"] = {};
  const partitionAt = (index: number): Partition => {
    const found = log[index];
    if (!found) throw new RangeError(`no partition ${index}`);
    return found;
  };
  const endOf = ({ start, entries }: Partition) => BigInt(start + entries.length);

  const port: KafkaPort = {
    createTopicIfMissing: () => Promise.resolve(),
    readOffsets: () =>
      Promise.resolve(
        new Map(log.map((each, index) => [index, { start: BigInt(each.start), end: endOf(each) }])),
      ),
    async *openReader({ positions }) {
      await Promise.resolve();
      for (const [partition, position] of positions) {
        const { start, entries } = partitionAt(partition);
        const from = Number(position) - start;
        // In pieces, and past the position by a record, as a fetch of whole batches may be.
        for (let at = from; at <= entries.length; at += 3) {
          const piece = entries.slice(at, at + 3);
          yield {
            topic: "t",
            partition,
            records: piece.filter((entry) => entry !== null),
            nextOffset: BigInt(start + at + piece.length),
            endOffset: BigInt(start + entries.length),
          };
        }
      }
    },
    openFencedWriter: () => {
      owner += 1;
      const self = owner;
      for (const { entries } of log) entries.push(null);
      return Promise.resolve({
        endOffsets: new Map(log.map((each, index) => [index, endOf(each)])),
        async append(partition, records) {
          await new Promise((resolve) => setImmediate(resolve));
          if (self !== owner) throw new Error("fenced");
          hooks.beforeAppend?.(partition, records);
          const { start, entries } = partitionAt(partition);
          const first = start + entries.length;
          records.forEach((record, index) => {
            entries.push({ ...record, offset: BigInt(first + index) });
          });
          hooks.afterAppend?.(partition);
          return BigInt(first);
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  };
  return {
    port,
    hooks,
    records: (partition) => partitionAt(partition).entries.filter((entry) => entry !== null),
    rewriteHeaders(change) {
      for (const each of log) {
        each.entries = each.entries.map((entry) => {
          return entry && { ...entry, headers: change(entry.headers) };
        });
      }
    },
    grow(count) {
      for (let added = 0; added < count; added++) log.push({ start: 0, entries: [] });
    },
    expire(partition) {
      const each = partitionAt(partition);
      each.start += each.entries.length;
      each.entries.length = 0;
    },
  };
}
