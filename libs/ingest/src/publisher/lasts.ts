import {
  eachPartition,
  headerOf,
  readRange,
  type Ranges,
  type TopicReading,
} from "./read-headers.ts";
import { later, originHeader, parseSequence, sequenceHeader, type Sequence } from "./sequence.ts";

/**
 * The last place of each stream in each partition: how much of files and of the generator a topic
 * has. Reads all of it, once in the life of a spool that replays something.
 */
export async function readLasts(
  reading: TopicReading,
  ranges: Ranges,
): Promise<ReadonlyMap<number, ReadonlyMap<string, Sequence>>> {
  return await eachPartition(ranges, async (partition, start, end) => {
    const lasts = new Map<string, Sequence>();
    await readRange(reading, { partition, from: start, end }, (record) => {
      const header = headerOf(record, originHeader) ?? headerOf(record, sequenceHeader);
      const sequence = header === undefined ? undefined : parseSequence(header);
      if (!sequence) return;
      const known = lasts.get(sequence.stream);
      lasts.set(sequence.stream, known ? later(sequence, known) : sequence);
    });
    return lasts;
  });
}
