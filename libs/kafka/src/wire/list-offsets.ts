import type { Api } from "./connection.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

export const listOffsetsApi: Api = { name: "ListOffsets", key: 2, version: 7 };

/** What to ask instead of a time. */
export const listOffsetsAt = { earliest: -2n, latest: -1n } as const;

export interface ListedOffset {
  readonly partition: number;
  readonly error: number;
  readonly offset: bigint;
}

/** ListOffsets v7 of one topic; "latest" of committed records is the last stable offset. */
export function writeListOffsets(
  topic: string,
  partitions: readonly number[],
  timestamp: bigint,
  committedOnly: boolean,
): ProtocolWriter {
  return new ProtocolWriter()
    .i32(-1)
    .i8(committedOnly ? 1 : 0)
    .array([topic], (item, name) => {
      item.compactString(name).array(partitions, (entry, partition) => {
        entry.i32(partition).i32(-1).i64(timestamp).noTags();
      });
      item.noTags();
    })
    .noTags();
}

export function readListOffsets(reader: ProtocolReader): ListedOffset[] {
  reader.i32(); // throttle
  const offsets: ListedOffset[] = [];
  reader.array((topic) => {
    topic.compactString();
    topic.array((item) => {
      const partition = item.i32();
      const error = item.i16();
      item.i64(); // timestamp
      const offset = item.i64();
      item.i32(); // leader epoch
      item.tags();
      offsets.push({ partition, error, offset });
    });
    topic.tags();
  });
  return offsets;
}
