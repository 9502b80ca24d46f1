import { createReadStream } from "node:fs";
import { ReplayFileError } from "../../errors.ts";
import { unpack, type Packing } from "./decompress.ts";
import { ValueSlicer } from "./json-values.ts";
import { splitLines } from "./lines.ts";
import type { Piece } from "./piece.ts";

/** What stands at one place of a replay file: a post, a page of posts, or something else. */
export interface Item extends Piece {
  /** Line of the file, or value of its document, from 1. */
  readonly number: number;
  /** In the file as it is when it is unpacked. */
  readonly byteOffset: number;
}

/** How to read a file. Its content has told (formOf), not its name. */
export interface Layout {
  readonly path: string;
  readonly packing: Packing;
  /** One item a line, or JSON that is spread over lines. */
  readonly form: "lines" | "values";
  /** Bytes before the first item: a byte order mark, the assignment of a personal archive. */
  readonly skip: number;
}

/** Of one item no more is held: a page of X's API has 500 posts at most, some 5 MB. */
const ITEM_BYTES_MAX = 64 * 1024 * 1024;
/** Items that are handed on together. */
const ITEMS_MAX = 500;
const CHUNK_BYTES = 256 * 1024;

/**
 * The items of a file in order, with memory for one item and one chunk. Where a packed file is cut
 * off or damaged, what stands before is given and then `onBroken` is told.
 *
 * @throws ReplayFileError when the file cannot be read
 */
export async function* itemsOf(
  layout: Layout,
  onBroken: (reason: string) => void,
): AsyncGenerator<readonly Item[]> {
  try {
    const chunks = bytesOf(layout, onBroken);
    const all = layout.form === "lines" ? filledLines(chunks, layout.skip) : values(chunks, layout);
    for await (const items of all) {
      for (let first = 0; first < items.length; first += ITEMS_MAX) {
        yield items.slice(first, first + ITEMS_MAX);
      }
    }
  } catch (error) {
    throw new ReplayFileError(
      `reading ${layout.path} failed: it was there at the start; check that it still is, and who may read it`,
      { cause: error },
    );
  }
}

/** The bytes of a file as they are when it is unpacked, from `skip` on. */
export async function* bytesOf(
  { path, packing, skip }: Omit<Layout, "form">,
  onBroken: (reason: string) => void,
): AsyncGenerator<Buffer> {
  const stored = createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>;
  const chunks = packing === "none" ? stored : unpack(stored, packing, onBroken);
  let left = skip;
  for await (const chunk of chunks) {
    if (left < chunk.length) yield left === 0 ? chunk : chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

/** The lines of some bytes that are not blank; `skip` is the place of the first byte. */
export async function* filledLines(
  chunks: AsyncIterable<Buffer>,
  skip: number,
): AsyncGenerator<Item[]> {
  for await (const lines of splitLines(chunks, ITEM_BYTES_MAX, skip)) {
    yield lines.filter(({ bytes }) => !isBlank(bytes));
  }
}

async function* values(
  chunks: AsyncIterable<Buffer>,
  { skip }: Layout,
): AsyncGenerator<readonly Item[]> {
  const slicer = new ValueSlicer(ITEM_BYTES_MAX, skip);
  for await (const chunk of chunks) yield slicer.push(chunk);
  yield slicer.end();
}

function isBlank(bytes: Buffer): boolean {
  return bytes.length < 64 && bytes.toString("latin1").trim() === "";
}
