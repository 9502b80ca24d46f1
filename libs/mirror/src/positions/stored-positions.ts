import {
  offsetAt,
  POSITIONS_TOPIC,
  readBatches,
  decodeRecords,
  errorCode,
  type Cluster,
} from "@hybridge/kafka/raw";
import { decodePosition, isOfVersion1, type PositionEntry, type PositionScope } from "./format.ts";
import { isPauseKey } from "./pauses.ts";

/** What one partition's runs are told apart by, whoever wrote them. */
type ScopeOfTopic = Pick<PositionScope, "sourceTopic" | "partition">;

/** What is known of the runs, or dead letters, that begin at one source offset. */
export interface StoredEntry {
  /** Of what several owners wrote, that which counts. */
  readonly entry: PositionEntry;
  /** The epochs under which something stands in the topic. */
  readonly writers: ReadonlySet<number>;
}

export interface StoredOptions {
  /** Entries of others are passed over. */
  readonly isWanted: (scope: PositionScope) => boolean;
  readonly onPause?: (key: string, value: Buffer | null) => void;
}

/** What the positions topic holds, read from its beginning and then further on. */
export class StoredPositions {
  readonly #target: Cluster;
  readonly #options: StoredOptions;
  /** By source partition, then by key. */
  readonly #places = new Map<string, Map<string, PositionEntry>>();
  #next = 0n;

  constructor(target: Cluster, options: StoredOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** All entries of a source topic's partition, in the order of writing. */
  allOf(at: ScopeOfTopic): readonly PositionEntry[] {
    return [...(this.#places.get(placeOf(at))?.values() ?? [])];
  }

  /** The entries of all partitions, in the order of writing per partition. */
  all(): readonly PositionEntry[] {
    return [...this.#places.values()].flatMap((entries) => [...entries.values()]);
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
        if (key !== null && offset >= this.#next) this.take(key.toString(), value);
      }
      this.#next = batch.lastOffset + 1n;
    }
  }

  /** Takes one record of the topic. */
  take(key: string, value: Buffer | null): void {
    if (isPauseKey(key)) {
      this.#options.onPause?.(key, value);
      return;
    }
    if (value === null) {
      // A tombstone does not say which topic it is about; where the key is not known, it is no loss.
      for (const entries of this.#places.values()) if (entries.delete(key)) return;
      return;
    }
    const entry = decodePosition(key, value);
    if (!this.#options.isWanted(entry.scope)) return;
    const place = placeOf(entry.scope);
    const entries = this.#places.get(place) ?? new Map<string, PositionEntry>();
    this.#places.set(place, entries);
    // A map keeps the place of the first time: what was written last has to stand last.
    entries.delete(key);
    entries.set(key, entry);
  }
}

/**
 * What counts of several owners' entries: per first source offset one, in their order. Of one
 * producer the newest epoch knows best. Otherwise the longer entry does: what an owner writes
 * after it was replaced, or with another producer, is shorter than what its successor knows.
 */
export function resolve(entries: readonly PositionEntry[]): StoredEntry[] {
  const byStart = Map.groupBy(entries, ({ runs }) => runs.sourceOffset);
  return [...byStart.values()]
    .map((candidates) => ({
      entry: candidates.reduce((best, other) => (isBetter(other, best) ? other : best)),
      writers: new Set(candidates.map(({ writer }) => writer.producerEpoch)),
    }))
    .sort((a, b) => (a.entry.runs.sourceOffset < b.entry.runs.sourceOffset ? -1 : 1));
}

function isBetter(entry: PositionEntry, than: PositionEntry): boolean {
  const [a, b] = [entry.writer, than.writer];
  const isComparable = a.producerId >= 0n && a.producerId === b.producerId;
  if (isComparable && a.producerEpoch !== b.producerEpoch) return a.producerEpoch > b.producerEpoch;
  return entry.runs.sourceEnd >= than.runs.sourceEnd;
}

/** True when the entries were written for this target and source, by whichever version. */
export function isOf(entry: PositionEntry, scope: PositionScope): boolean {
  const { scope: other } = entry;
  const isSame =
    other.sourceTopicId === scope.sourceTopicId && other.targetTopicId === scope.targetTopicId;
  return isSame && (isOfVersion1(other) || isOfMirror(other, scope));
}

/** True when both are of one mirror and one source cluster. */
export function isOfMirror(
  a: Pick<PositionScope, "mirrorId" | "sourceClusterId">,
  b: Pick<PositionScope, "mirrorId" | "sourceClusterId">,
): boolean {
  return a.mirrorId === b.mirrorId && a.sourceClusterId === b.sourceClusterId;
}

function placeOf({ sourceTopic, partition }: ScopeOfTopic): string {
  return `${sourceTopic}/${partition}`;
}
