import { crc32 } from "node:zlib";
import { itemsOf, type Item } from "./items.ts";
import type { ReplayFile } from "./replay-file.ts";

/** A part of a replay that is a stream of its own: a file, or the generator. */
export interface Segment {
  /** Two that begin alike have the same. */
  readonly stream: string;
  /** For people. */
  readonly label: string;
  /** Reads as far as is asked for. Checksums are those of everything up to and with an item. */
  survey(wanted: Survey, signal: AbortSignal): Promise<SegmentFacts>;
  /** How many places an earlier version of ingest counted in it. */
  oldCount(count: number): number;
}

export interface Survey {
  /** Items whose checksums are asked for. */
  readonly items: ReadonlySet<number>;
  /** Whether to go on to the end and count. */
  readonly toEnd: boolean;
}

export interface SegmentFacts {
  readonly marks: ReadonlyMap<number, number>;
  /** Items in all, if the end was asked for or came first. */
  readonly count: number | undefined;
  /** Checksum of all that was read. */
  readonly mark: number;
}

/** The checksum of a stream goes on with each item. */
export function markAfter(mark: number, item: Pick<Item, "bytes">): number {
  return crc32(item.bytes, mark);
}

export function fileSegment(file: ReplayFile, stream: string): Segment {
  return {
    stream,
    label: file.name,
    async survey({ items: wanted, toEnd }, signal) {
      const marks = new Map<number, number>();
      const last = Math.max(-1, ...wanted);
      let mark = 0;
      let index = -1;
      if (!toEnd && last < 0) return { marks, count: undefined, mark };
      for await (const items of itemsOf(file.layout, () => undefined)) {
        signal.throwIfAborted();
        for (const item of items) {
          index += 1;
          mark = markAfter(mark, item);
          if (wanted.has(index)) marks.set(index, mark);
          if (!toEnd && index >= last) return { marks, count: undefined, mark };
        }
      }
      return { marks, count: index + 1, mark };
    },
    // A file named .json was one document: with a post a line, one dead letter.
    oldCount: (count) =>
      file.layout.form === "lines" && /\.json$/i.test(file.name) ? Math.min(1, count) : count,
  };
}

export function generatorSegment(seed: number): Segment {
  return {
    stream: `seed-${seed}`,
    label: `the generator with seed ${seed}`,
    survey: ({ items }) =>
      Promise.resolve({
        marks: new Map([...items].map((item) => [item, 0])),
        count: Infinity,
        mark: 0,
      }),
    oldCount: (count) => count,
  };
}
