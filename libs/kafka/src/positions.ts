import type { ClusterOptions, PositionRun } from "./api.ts";
import { MalformedError } from "./errors.ts";
import { openReader } from "./reader.ts";
import { partitionCount, readOffsets } from "./topics.ts";

/**
 * The compacted topic on the target cluster that says which target offsets the source offsets
 * have. One record per run; a run that grows is written again under its key, so the newest record
 * of a key is the whole truth about that run. An entry is only ever written about records that
 * the target has acknowledged: an old entry is shorter than the truth, never wrong.
 */
export const POSITIONS_TOPIC = "__hybridge-positions";

/** A run, and whose it is. */
export interface PositionEntry extends PositionRun {
  readonly sourceTopic: string;
  readonly sourceTopicId: string;
  readonly targetTopic: string;
  readonly targetTopicId: string;
  readonly partition: number;
  /** These source records were put aside as dead letters and have no target offset. */
  readonly isDeadLetter: boolean;
}

/** Key: topic/partition/source offset. Value: JSON, offsets as decimal text. */
export function encodePosition(entry: PositionEntry): { key: Buffer; value: Buffer } {
  return {
    key: Buffer.from(`${entry.sourceTopic}/${entry.partition}/${entry.sourceOffset}`),
    value: Buffer.from(
      JSON.stringify({
        targetTopic: entry.targetTopic,
        targetOffset: String(entry.targetOffset),
        count: String(entry.count),
        sourceTopicId: entry.sourceTopicId,
        targetTopicId: entry.targetTopicId,
        ...(entry.isDeadLetter ? { deadLetter: true } : {}),
      }),
    ),
  };
}

/** @throws MalformedError when somebody else writes to the topic */
export function decodePosition(key: Buffer, value: Buffer): PositionEntry {
  const [sourceTopic = "", partition = "", sourceOffset = ""] = key.toString().split("/");
  try {
    const fields = JSON.parse(value.toString()) as Record<string, unknown>;
    return {
      sourceTopic,
      partition: Number(partition),
      sourceOffset: BigInt(sourceOffset),
      targetTopic: String(fields["targetTopic"]),
      targetOffset: BigInt(String(fields["targetOffset"])),
      count: BigInt(String(fields["count"])),
      sourceTopicId: String(fields["sourceTopicId"]),
      targetTopicId: String(fields["targetTopicId"]),
      isDeadLetter: fields["deadLetter"] === true,
    };
  } catch (cause) {
    throw new MalformedError(
      `read the record ${JSON.stringify(key.toString())} of ${POSITIONS_TOPIC}: it is no position; check who else writes to the topic`,
      { cause },
    );
  }
}

/** Every entry of the positions topic, the newest of each key, in source order per partition. */
export async function readAllPositions(
  target: ClusterOptions,
  signal: AbortSignal,
): Promise<PositionEntry[]> {
  if ((await partitionCount(target, POSITIONS_TOPIC, signal)) === undefined) return [];
  const end = (await readOffsets(target, POSITIONS_TOPIC, signal)).get(0)?.end ?? 0n;
  const entries = new Map<string, PositionEntry>();
  const done = new AbortController();
  const reader = openReader({
    cluster: target,
    topic: POSITIONS_TOPIC,
    positions: new Map([[0, "earliest" as const]]),
    signal: AbortSignal.any([signal, done.signal]),
  });
  for await (const { records, nextOffset } of reader) {
    for (const { key, value } of records) {
      if (key === null) continue;
      if (value === null) entries.delete(key.toString());
      else entries.set(key.toString(), decodePosition(key, value));
    }
    if (nextOffset >= end) done.abort();
  }
  signal.throwIfAborted();
  return [...entries.values()].sort((a, b) => compare(a.sourceOffset, b.sourceOffset));
}

/**
 * Where the records of a mirrored topic stand in the target: by partition, runs without gaps in
 * the order of the source. Runs of topics that were deleted and created again are left out.
 */
export async function readPositions(
  target: ClusterOptions,
  sourceTopic: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, readonly PositionRun[]>> {
  const runs = new Map<number, PositionRun[]>();
  const all = await readAllPositions(target, signal);
  const mine = all.filter((entry) => entry.sourceTopic === sourceTopic && !entry.isDeadLetter);
  for (const entry of mine) {
    const list = runs.get(entry.partition) ?? [];
    runs.set(entry.partition, list);
    list.push({
      sourceOffset: entry.sourceOffset,
      targetOffset: entry.targetOffset,
      count: entry.count,
    });
  }
  return runs;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
