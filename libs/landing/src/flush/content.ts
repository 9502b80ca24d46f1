import type { ColumnList, Encoded } from "../encoder-port.ts";
import type { LandedRange, TopicKey } from "../log/protocol.ts";
import type { CommitContent } from "../log/commit-content.ts";
import type { LocalFile } from "../store-port.ts";
import type { Gap, Slice } from "./flush-buffer.ts";

export interface FlushParts {
  readonly slices: readonly Slice[];
  readonly gaps: readonly Gap[];
  readonly encoded: Encoded;
  /** The file of the dead letters, if there are any. */
  readonly dead: LocalFile | undefined;
  readonly columns: ColumnList;
}

/** What a commit says of a flush. */
export function contentOf({ slices, gaps, encoded, dead, columns }: FlushParts): CommitContent {
  const files = encoded.files.map(({ dt, hr, rows, raw, ...local }) => {
    return { dt, hr, suffix: ".parquet", rows, local, ...(raw === undefined ? {} : { raw }) };
  });
  return {
    advances: advancesOf(slices, encoded),
    gaps: gaps.map(({ lane, from, to, why, what }) => {
      return { ...lane.topic, partition: lane.partition, from, to, why, what };
    }),
    ...(files.length === 0 ? {} : { columns, files }),
    dead: dead === undefined ? [] : [{ rows: encoded.deadLetters.length, local: dead }],
  };
}

export function countsOf({ partitions, deadLetters }: Encoded): {
  readonly rows: number;
  readonly dead: number;
} {
  const rows = partitions.reduce((sum, partition) => sum + partition.rows, 0);
  return { rows, dead: deadLetters.length };
}

function advancesOf(slices: readonly Slice[], { partitions }: Encoded) {
  const keyOf = (topicId: string, partition: number) => `${topicId} ${partition}`;
  const counts = new Map(partitions.map((each) => [keyOf(each.topicId, each.partition), each]));
  const byTopic = new Map<string, TopicKey & { readonly ranges: LandedRange[] }>();
  for (const { lane, from, to } of slices) {
    if (to === from) continue;
    const { topic, partition } = lane;
    const advance = byTopic.get(topic.topicId) ?? { ...topic, ranges: [] };
    byTopic.set(topic.topicId, advance);
    const { rows, deadLetters, md5Sum } = counts.get(keyOf(topic.topicId, partition)) ?? none;
    advance.ranges.push({ partition, from, to, rows, dead: deadLetters, md5Sum });
  }
  return [...byTopic.values()];
}

const none = { rows: 0, deadLetters: 0, md5Sum: 0n };
