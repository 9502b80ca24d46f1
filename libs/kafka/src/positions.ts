import type { ClusterOptions, PositionRun } from "./api.ts";
import { withCluster, type Cluster } from "./cluster.ts";
import { MalformedError } from "./errors.ts";
import { offsetAt } from "./offsets.ts";
import { readBatches } from "./sequential.ts";
import { errorCode } from "./wire/protocol-errors.ts";
import { decodeRecords } from "./wire/record.ts";

/**
 * The compacted topic on the target cluster that says which target offsets the source offsets
 * have. One record per run and owner; a run that grows is written again under its key, so the newest
 * record of a key is all that its owner knew about that run. An entry is only ever written about
 * records that the target has acknowledged: an old entry is shorter than the truth, never wrong.
 */
export const POSITIONS_TOPIC = "__hybridge-positions";

/** A run, and whose it is. */
export interface PositionEntry extends PositionRun {
  readonly sourceTopic: string;
  readonly sourceTopicId: string;
  readonly targetTopic: string;
  readonly targetTopicId: string;
  readonly partition: number;
  /** The producer epoch of the owner that wrote the entry; -1 when it is not known. */
  readonly writerEpoch: number;
  /** The source's leader epoch of the last of them; -1 when it is not known. */
  readonly epoch: number;
  /** These source records were put aside as dead letters and have no target offset. */
  readonly isDeadLetter: boolean;
}

/**
 * Key: topic/partition/source offset/writer epoch. Value: JSON, offsets as decimal text. The epoch
 * keeps what an owner writes from being replaced by what a former one writes after it woke up.
 */
export function encodePosition(entry: PositionEntry): { key: Buffer; value: Buffer } {
  return {
    key: Buffer.from(
      `${entry.sourceTopic}/${entry.partition}/${entry.sourceOffset}/${entry.writerEpoch}`,
    ),
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
  const [sourceTopic = "", partition = "", sourceOffset = "", writerEpoch = "-1"] = key
    .toString()
    .split("/");
  try {
    const fields = JSON.parse(value.toString()) as Record<string, unknown>;
    return {
      sourceTopic,
      partition: Number(partition),
      sourceOffset: BigInt(sourceOffset),
      writerEpoch: Number(writerEpoch),
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

/**
 * What the positions topic holds, read from its beginning and then further on: entries by source
 * partition, and what operators paused.
 */
export class StoredPositions {
  readonly #target: Cluster;
  readonly #entries = new Map<string, Map<string, PositionEntry>>();
  readonly #pauses = new Map<string, PauseEntry>();
  #next = 0n;

  constructor(target: Cluster) {
    this.#target = target;
  }

  get pauses(): readonly PauseEntry[] {
    return [...this.#pauses.values()];
  }

  /** The entries of one source partition, in the order of writing. */
  of(sourceTopic: string, partition: number): readonly PositionEntry[] {
    return [...(this.#entries.get(`${sourceTopic}/${partition}`)?.values() ?? [])];
  }

  /** The entries of all partitions of a source topic, in the order of writing per partition. */
  ofTopic(sourceTopic: string): readonly PositionEntry[] {
    const lists = [...this.#entries].filter(([key]) => key.startsWith(`${sourceTopic}/`));
    return lists.flatMap(([, entries]) => [...entries.values()]);
  }

  /**
   * Reads to the end as of now; nothing when there is no such topic.
   *
   * @throws MalformedError when somebody else writes to the topic
   */
  async readOn(signal: AbortSignal): Promise<void> {
    const [topic] = (await this.#target.describe([POSITIONS_TOPIC], signal)).topics;
    if (topic?.error === errorCode.unknownTopicOrPartition) return;
    const at = { topic: POSITIONS_TOPIC, partition: 0 };
    const range = { from: this.#next, to: await offsetAt(this.#target, at, "latest", signal) };
    const batches = readBatches(this.#target, { ...at, ...range, committedOnly: true }, signal);
    for await (const batch of batches) {
      batch.verify(`${POSITIONS_TOPIC}-0`);
      for (const { key, value, offset } of decodeRecords(batch)) {
        if (key !== null && offset >= this.#next) this.#take(key, value);
      }
      this.#next = batch.lastOffset + 1n;
    }
  }

  #take(key: Buffer, value: Buffer | null): void {
    const name = key.toString();
    if (isPauseKey(name)) {
      const at = name.slice(0, -PAUSED.length - 1);
      if (value === null) this.#pauses.delete(at);
      else this.#pauses.set(at, decodePause(name, value));
      return;
    }
    if (value === null) return;
    const entry = decodePosition(key, value);
    const place = `${entry.sourceTopic}/${entry.partition}`;
    const entries = this.#entries.get(place) ?? new Map<string, PositionEntry>();
    this.#entries.set(place, entries);
    const run = `${entry.sourceTopicId}/${entry.targetTopicId}/${entry.sourceOffset}`;
    const known = entries.get(run);
    // A map keeps the place of the first time: what was written last has to stand last.
    entries.delete(run);
    // What a former owner writes late is shorter than what its successor knows of the same run.
    const isShorter = known?.targetOffset === entry.targetOffset && known.count > entry.count;
    entries.set(run, isShorter ? known : entry);
  }
}

/** Where the records of one partition stand in the target. */
export interface MirroredPartition {
  /** Without gaps, in the order of the source. */
  readonly runs: readonly PositionRun[];
  /** Of the topic that they were read from: a topic made anew has another one. */
  readonly sourceTopicId: string;
  /** Where they were written to; a mirror may give topics other names. */
  readonly targetTopic: string;
}

/**
 * Where the records of a mirrored topic stand in the target, by partition. Runs of topics that
 * were deleted and created again are left out, as soon as the new topic has some.
 */
export async function readPositions(
  target: ClusterOptions,
  sourceTopic: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, MirroredPartition>> {
  const mirrored = new Map<number, MirroredPartition & { readonly runs: PositionRun[] }>();
  const named = await withCluster(target, signal, async (cluster) => {
    const stored = new StoredPositions(cluster);
    await stored.readOn(signal);
    return stored.ofTopic(sourceTopic);
  });
  // Whoever wrote last writes about the topic that exists.
  const newest = new Map(named.map((entry) => [entry.partition, entry]));
  const mine = named.filter((entry) => {
    const last = newest.get(entry.partition);
    const isOfLast =
      entry.sourceTopicId === last?.sourceTopicId && entry.targetTopicId === last.targetTopicId;
    return isOfLast && !entry.isDeadLetter;
  });
  for (const entry of mine.sort((a, b) => compare(a.sourceOffset, b.sourceOffset))) {
    const { partition, sourceTopicId, targetTopic } = entry;
    const known = mirrored.get(partition) ?? { runs: [], sourceTopicId, targetTopic };
    mirrored.set(partition, known);
    known.runs.push({
      sourceOffset: entry.sourceOffset,
      targetOffset: entry.targetOffset,
      count: entry.count,
    });
  }
  return mirrored;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
