import { createHash } from "node:crypto";
import type { ClusterOptions, KafkaRecord } from "../api.ts";
import { openReader } from "../reader.ts";
import { readOffsets } from "../topics.ts";

export interface Comparison {
  readonly partitions: number;
  readonly records: number;
}

/** The two logs are not the same. */
export class MismatchError extends Error {}

/**
 * The judge of delivery: per partition, the target holds exactly the committed records of the
 * source, in order, byte for byte (key, value, headers and their order, time), each once.
 *
 * @param leftOut source offsets that are allowed to be missing, by partition
 * @throws MismatchError naming the first difference
 */
export async function compareTopics(
  source: { cluster: ClusterOptions; topic: string },
  target: { cluster: ClusterOptions; topic: string },
  signal: AbortSignal,
  leftOut: ReadonlyMap<number, ReadonlySet<bigint>> = new Map(),
): Promise<Comparison> {
  const [from, to] = [await readAll(source, signal), await readAll(target, signal)];
  let records = 0;
  for (const [partition, all] of from) {
    const skip = leftOut.get(partition);
    const wanted = all.filter(({ offset }) => !skip?.has(offset));
    const found = to.get(partition) ?? [];
    const where = `${source.topic}-${partition}`;
    for (const [index, record] of wanted.entries()) {
      if (found[index]?.digest === record.digest) continue;
      const later = found.findIndex(({ digest }) => digest === record.digest);
      throw new MismatchError(
        `${where}: source offset ${record.offset} (record ${index} of ${wanted.length}) is not record ${index} of the target's ${found.length}: ` +
          (later < 0 ? "it is missing" : `it is record ${later}`),
      );
    }
    if (found.length > wanted.length) {
      const extra = found[wanted.length]?.offset ?? -1n;
      throw new MismatchError(
        `${where}: the target holds ${found.length - wanted.length} records more, from its offset ${extra} on`,
      );
    }
    records += wanted.length;
  }
  if (records === 0) throw new MismatchError(`${source.topic}: nothing was mirrored at all`);
  return { partitions: from.size, records };
}

interface Seen {
  readonly offset: bigint;
  readonly digest: string;
}

async function readAll(
  at: { cluster: ClusterOptions; topic: string },
  signal: AbortSignal,
): Promise<Map<number, Seen[]>> {
  const ranges = await readOffsets(at.cluster, at.topic, signal);
  const open = new Set([...ranges].filter(([, { start, end }]) => end > start).map(([p]) => p));
  const seen = new Map([...ranges.keys()].map((partition) => [partition, [] as Seen[]]));
  if (open.size === 0) return seen;
  const done = new AbortController();
  const reader = openReader({
    ...at,
    positions: new Map([...open].map((partition) => [partition, "earliest" as const])),
    signal: AbortSignal.any([signal, done.signal]),
  });
  for await (const { partition, records, nextOffset } of reader) {
    const end = ranges.get(partition)?.end ?? 0n;
    const list = seen.get(partition);
    for (const record of records) {
      if (record.offset < end) list?.push({ offset: record.offset, digest: digestOf(record) });
    }
    if (nextOffset >= end) open.delete(partition);
    if (open.size === 0) done.abort();
  }
  signal.throwIfAborted();
  return seen;
}

function digestOf(record: KafkaRecord): string {
  const hash = createHash("sha1");
  const feed = (value: Buffer | null) => {
    hash.update(value === null ? "-" : `${value.length}:`);
    if (value !== null) hash.update(value);
  };
  hash.update(`${record.timestampMs}/${record.headers.length}/`);
  feed(record.key);
  feed(record.value);
  for (const [name, value] of record.headers) {
    feed(Buffer.from(name));
    feed(value);
  }
  return hash.digest("base64");
}
