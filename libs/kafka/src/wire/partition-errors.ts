import type { ProtocolReader } from "./reader.ts";

/** An answer of topics, partitions and their error codes: the first that is not 0, or 0. */
export function readFirstPartitionError(reader: ProtocolReader): number {
  reader.i32(); // throttle
  let error = 0;
  reader.array((topic) => {
    topic.compactString();
    topic.array((item) => {
      item.i32();
      error ||= item.i16();
      item.tags();
    });
    topic.tags();
  });
  return error;
}
