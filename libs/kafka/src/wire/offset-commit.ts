import type { CommittedOffset } from "../group/api.ts";
import type { ApiVersions } from "./connection.ts";
import { readFirstPartitionError } from "./partition-errors.ts";
import { ProtocolWriter } from "./writer.ts";

/** Version 9 takes the epoch of a KIP-848 member where 8 takes a generation; the layout is the same. */
export const offsetCommitApi: ApiVersions = { name: "OffsetCommit", key: 8, min: 8, max: 9 };

export interface OffsetCommit {
  readonly group: string;
  /** Empty for somebody who is no member, which a group without members allows. */
  readonly memberId: string;
  /** Generation or member epoch; -1 without a member. */
  readonly epoch: number;
  readonly offsets: readonly CommittedOffset[];
}

export function writeOffsetCommit({ group, memberId, epoch, offsets }: OffsetCommit) {
  return new ProtocolWriter()
    .compactString(group)
    .i32(epoch)
    .compactString(memberId)
    .compactString(null)
    .array([...Map.groupBy(offsets, ({ topic }) => topic)], (item, [topic, partitions]) => {
      item.compactString(topic).array(partitions, (entry, { partition, offset }) => {
        entry.i32(partition).i64(offset).i32(-1).compactString("").noTags();
      });
      item.noTags();
    })
    .noTags();
}

export const readOffsetCommit = readFirstPartitionError;
