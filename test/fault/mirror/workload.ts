import { randomUUID } from "node:crypto";
import {
  ensureTopic,
  openReader,
  readOffsets,
  type ClusterOptions,
  type RecordToSend,
} from "@hybridge/kafka";
import {
  produceBatches,
  randomRecords,
  seededRandom,
  TransactionalProducer,
  type Random,
} from "@hybridge/kafka/testing";
import { sleep } from "./faults.ts";

export const PARTITIONS = 3;
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
/** What the target takes in one batch, and a record that it therefore cannot take. */
const TARGET_BYTES_MAX = 200_000;
const HUGE_BYTES = 300_000;

/** Makes a topic on both sides whose target refuses what is too large. */
export async function makeTopics(
  source: ClusterOptions,
  target: ClusterOptions,
  seed: number,
  signal: AbortSignal,
): Promise<string> {
  const topic = `fault-${seed}-${randomUUID().slice(0, 8)}`;
  const config = { "max.message.bytes": String(TARGET_BYTES_MAX) };
  await ensureTopic(source, { topic, partitions: PARTITIONS }, signal);
  await ensureTopic(target, { topic, partitions: PARTITIONS, config }, signal);
  return topic;
}

/** Streams records of all shapes, some in transactions, until told to stop; survives bounces. */
export async function fillUntil(
  cluster: ClusterOptions,
  topic: string,
  seed: number,
  done: AbortSignal,
  signal: AbortSignal,
): Promise<void> {
  // Its own generator: how often it is asked depends on time, and must not move the faults.
  const random = seededRandom(seed ^ 0x5eed);
  let round = 0;
  do {
    // A source broker that is killed here may or may not have taken a batch: both are fine, the
    // source log is the reference.
    await fillOnce(cluster, topic, random, signal).catch(() => sleep(200));
    if (random() < 0.15) await transact(cluster, topic, random, signal).catch(() => sleep(200));
    round += 1;
    await sleep(30);
  } while ((!done.aborted || round < 5) && !signal.aborted);
  // A transaction that a fault left open would hide from the judge what stands behind it.
  for (let isSettled = false; !isSettled && !signal.aborted;) {
    isSettled = await transact(cluster, topic, random, signal).then(
      () => true,
      () => sleep(200).then(() => false),
    );
  }
}

async function fillOnce(
  cluster: ClusterOptions,
  topic: string,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const partition = Math.floor(random() * PARTITIONS);
  const compression = CODECS[Math.floor(random() * CODECS.length)] ?? "none";
  const lists = Array.from({ length: 8 }, () =>
    randomRecords(random, 1 + Math.floor(random() * 30)),
  );
  if (random() < 0.08) {
    lists.push([...randomRecords(random, 3), hugeRecord(random), ...randomRecords(random, 3)]);
  }
  await produceBatches(cluster, { topic, partition, compression }, lists, signal);
}

/** A record that the target cannot take, however it is compressed. */
export function hugeRecord(random: Random): RecordToSend {
  const value = Buffer.alloc(HUGE_BYTES);
  for (let at = 0; at < value.length; at += 4) value.writeUInt32LE(random() * 2 ** 32, at);
  return { key: null, value, headers: [], timestampMs: Date.now() };
}

async function transact(
  cluster: ClusterOptions,
  topic: string,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  await using producer = new TransactionalProducer(cluster, `writer-${topic}`, soon);
  await producer.begin();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await producer.send({ topic, partition }, randomRecords(random, 5));
  }
  await producer.end(random() < 0.6);
}

export type Offsets = ReadonlyMap<number, ReadonlySet<bigint>>;

/** The source offsets of the records that the target cannot take, by partition. */
export async function hugeOffsets(
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<Offsets> {
  const found = new Map<number, Set<bigint>>();
  for await (const { partition, record } of recordsOf(cluster, topic, signal)) {
    if (record.value?.length === HUGE_BYTES) put(found, partition, record.offset);
  }
  return found;
}

/** The source offsets that stand in the dead letters; one may stand there twice after a crash. */
export async function deadLetterOffsets(
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<Offsets> {
  const found = new Map<number, Set<bigint>>();
  for await (const { record } of recordsOf(cluster, topic, signal)) {
    const header = (name: string) =>
      record.headers.find(([candidate]) => candidate === name)?.[1]?.toString() ?? "-1";
    put(
      found,
      Number(header("hybridge-source-partition")),
      BigInt(header("hybridge-source-offset")),
    );
  }
  return found;
}

function put(map: Map<number, Set<bigint>>, partition: number, offset: bigint): void {
  const set = map.get(partition) ?? new Set();
  map.set(partition, set.add(offset));
}

async function* recordsOf(cluster: ClusterOptions, topic: string, signal: AbortSignal) {
  const ranges = await readOffsets(cluster, topic, signal);
  const open = new Set([...ranges].filter(([, { start, end }]) => end > start).map(([p]) => p));
  if (open.size === 0) return;
  const done = new AbortController();
  for await (const { partition, records, nextOffset } of openReader({
    cluster,
    topic,
    positions: new Map([...open].map((partition) => [partition, "earliest" as const])),
    signal: AbortSignal.any([signal, done.signal]),
  })) {
    for (const record of records) yield { partition, record };
    if (nextOffset >= (ranges.get(partition)?.end ?? 0n)) open.delete(partition);
    if (open.size === 0) done.abort();
  }
  signal.throwIfAborted();
}
