import {
  addRange,
  covers,
  firstHole,
  overlaps,
  rangesOf,
  type Bounds,
  type Hole,
} from "./intervals.ts";
import type { Action, Commit, OffsetRange, TopicKey } from "./protocol.ts";

/** What identifies a topic: its name is for people. */
export type TopicIdentity = Pick<TopicKey, "cluster" | "topicId">;

export interface PartitionCoverage {
  /** The first hole. */
  readonly position: Hole;
  readonly ranges: readonly OffsetRange[];
  readonly rows: number;
  readonly dead: number;
}

export interface TopicCoverage extends TopicKey {
  readonly partitions: ReadonlyMap<number, PartitionCoverage>;
}

/** Offsets of a partition that an action covers. */
export interface PartitionRange extends TopicKey, OffsetRange {
  readonly partition: number;
}

const NONE: Bounds = [];

class Partition implements PartitionCoverage {
  readonly bounds: Bounds = [];
  rows = 0;
  dead = 0;

  get position(): Hole {
    return firstHole(this.bounds);
  }

  get ranges(): OffsetRange[] {
    return rangesOf(this.bounds);
  }
}

interface Topic extends TopicKey {
  readonly partitions: Map<number, Partition>;
}

/** Which offsets of which partitions are landed or known to be gone. */
export class Coverage {
  readonly #topics = new Map<string, Topic>();

  position(topic: TopicIdentity, partition: number): Hole {
    return this.#find(topic, partition)?.position ?? { from: 0n };
  }

  isCovered(topic: TopicIdentity, partition: number, range: OffsetRange): boolean {
    return covers(this.#find(topic, partition)?.bounds ?? [], range);
  }

  topics(): Iterable<TopicCoverage> {
    return this.#topics.values();
  }

  /** The ranges of a commit that are covered already, by the log or by the commit itself. */
  conflictsOf(commit: Commit): PartitionRange[] {
    const conflicts: PartitionRange[] = [];
    const own = new Map<string, Map<number, Bounds>>();
    for (const action of commit.actions) {
      if (action.do !== "advance" && action.do !== "gap") continue;
      const key = keyOf(action);
      const landed = this.#topics.get(key)?.partitions;
      const before = own.get(key) ?? new Map<number, Bounds>();
      own.set(key, before);
      for (const range of action.do === "gap" ? [action] : action.ranges) {
        const { partition } = range;
        const isTaken =
          overlaps(landed?.get(partition)?.bounds ?? NONE, range) ||
          overlaps(before.get(partition) ?? NONE, range);
        if (isTaken) conflicts.push(rangeOf(action, partition, range));
        const bounds = before.get(partition);
        if (bounds) addRange(bounds, range);
        else before.set(partition, [range.from, range.to]);
      }
    }
    return conflicts;
  }

  apply(action: Action): void {
    if (action.do === "gap") {
      this.cover({ ...action, rows: 0, dead: 0 });
    } else if (action.do === "advance") {
      const topic = this.#topic(action);
      for (const range of action.ranges) cover(topic, range.partition, range);
    }
  }

  cover(range: PartitionRange & { readonly rows: number; readonly dead: number }): void {
    cover(this.#topic(range), range.partition, range);
  }

  #find(topic: TopicIdentity, partition: number): Partition | undefined {
    return this.#topics.get(keyOf(topic))?.partitions.get(partition);
  }

  #topic(key: TopicKey): Topic {
    const found = this.#topics.get(keyOf(key));
    if (found) return found;
    const { cluster, topic, topicId } = key;
    const made: Topic = { cluster, topic, topicId, partitions: new Map() };
    this.#topics.set(keyOf(key), made);
    return made;
  }
}

function cover(
  topic: Topic,
  number: number,
  range: OffsetRange & { readonly rows: number; readonly dead: number },
): void {
  let partition = topic.partitions.get(number);
  if (!partition) {
    partition = new Partition();
    topic.partitions.set(number, partition);
  }
  addRange(partition.bounds, range);
  partition.rows += range.rows;
  partition.dead += range.dead;
}

function rangeOf(topic: TopicKey, partition: number, range: OffsetRange): PartitionRange {
  return {
    cluster: topic.cluster,
    topic: topic.topic,
    topicId: topic.topicId,
    partition,
    from: range.from,
    to: range.to,
  };
}

/** Neither of them holds a space. */
function keyOf({ cluster, topicId }: TopicIdentity): string {
  return `${cluster} ${topicId}`;
}
