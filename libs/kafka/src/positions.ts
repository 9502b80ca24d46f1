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
  /** The source's leader epoch of the last of them; -1 when it is not known. */
  readonly epoch: number;
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
        ...(entry.epoch < 0 ? {} : { epoch: entry.epoch }),
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
      epoch: typeof fields["epoch"] === "number" ? fields["epoch"] : -1,
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

/**
 * An operator paused a partition. It stands in the same topic, because it has to outlive the
 * process and the mirror keeps nothing else.
 */
export interface PauseEntry {
  readonly sourceTopic: string;
  readonly partition: number;
  readonly sinceMs: number;
}

/** Where the source offset stands in a position's key: never a number. */
const PAUSED = "paused";

/** Key: topic/partition/paused. Value: JSON; none when the partition is resumed. */
export function encodePause(
  at: Omit<PauseEntry, "sinceMs">,
  sinceMs: number | undefined,
): { key: Buffer; value: Buffer | null } {
  const since = sinceMs === undefined ? undefined : new Date(sinceMs).toISOString();
  return {
    key: Buffer.from(`${at.sourceTopic}/${at.partition}/${PAUSED}`),
    value: since === undefined ? null : Buffer.from(JSON.stringify({ since })),
  };
}

function isPauseKey(key: string): boolean {
  return key.endsWith(`/${PAUSED}`);
}

function decodePause(key: string, value: Buffer): PauseEntry {
  const [sourceTopic = "", partition = ""] = key.split("/");
  const sinceMs = Date.parse(/"since":"([^"]+)"/.exec(value.toString())?.[1] ?? "");
  // A pause with a time that cannot be read is still a pause.
  return { sourceTopic, partition: Number(partition), sinceMs: sinceMs || Date.now() };
}

/** What the positions topic holds: the newest of each key, in the order of writing. */
export interface StoredPositions {
  readonly entries: readonly PositionEntry[];
  readonly pauses: readonly PauseEntry[];
}

/** Reads the positions topic to its end as of now; empty when there is no such topic. */
export async function readStoredPositions(
  target: ClusterOptions,
  signal: AbortSignal,
): Promise<StoredPositions> {
  if ((await partitionCount(target, POSITIONS_TOPIC, signal)) === undefined) {
    return { entries: [], pauses: [] };
  }
  const end = (await readOffsets(target, POSITIONS_TOPIC, signal)).get(0)?.end ?? 0n;
  const newest = new Map<string, PositionEntry | PauseEntry>();
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
      const name = key.toString();
      // Also before it is set again: a map keeps the place of the first time.
      newest.delete(name);
      if (value === null) continue;
      const entry = isPauseKey(name) ? decodePause(name, value) : decodePosition(key, value);
      newest.set(name, entry);
    }
    if (nextOffset >= end) done.abort();
  }
  signal.throwIfAborted();
  const all = [...newest.values()];
  return {
    entries: all.filter((entry) => "sourceOffset" in entry),
    pauses: all.filter((entry) => "sinceMs" in entry),
  };
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
  const { entries } = await readStoredPositions(target, signal);
  const named = entries.filter((entry) => entry.sourceTopic === sourceTopic);
  // Whoever wrote last writes about the topic that exists.
  const newest = new Map(named.map((entry) => [entry.partition, entry]));
  const mine = named.filter((entry) => {
    const last = newest.get(entry.partition);
    const isOfLast =
      entry.sourceTopicId === last?.sourceTopicId && entry.targetTopicId === last.targetTopicId;
    return isOfLast && !entry.isDeadLetter;
  });
  for (const entry of mine.sort((a, b) => compare(a.sourceOffset, b.sourceOffset))) {
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
