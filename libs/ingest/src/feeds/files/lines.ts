import { PieceBuilder, type Piece } from "./piece.ts";

/** One line of a file, without its line end, and where it stands. */
export interface Line extends Piece {
  /** From 1. */
  readonly number: number;
  readonly byteOffset: number;
}

/**
 * Splits chunks of bytes at line feeds (and the carriage return before one). Whatever stands
 * between two line feeds, no more than `keptMax` bytes of it are held. `startOffset` is the place of
 * the first byte.
 */
export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  keptMax: number,
  startOffset = 0,
): AsyncGenerator<Line[]> {
  let number = 1;
  let byteOffset = startOffset;
  const open = new PieceBuilder(keptMax);
  const finish = (feed: number): Line => {
    const consumed = open.length + feed;
    const line = { number, byteOffset, ...withoutReturn(open.take()) };
    number += 1;
    byteOffset += consumed;
    return line;
  };
  for await (const chunk of chunks) {
    const lines: Line[] = [];
    let start = 0;
    for (;;) {
      const feed = chunk.indexOf(0x0a, start);
      if (feed < 0) break;
      open.add(chunk.subarray(start, feed));
      lines.push(finish(1));
      start = feed + 1;
    }
    open.add(chunk.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (open.length > 0) yield [finish(0)];
}

function withoutReturn(piece: Piece): Piece {
  if (piece.sha256 !== undefined || piece.bytes.at(-1) !== 0x0d) return piece;
  const bytes = piece.bytes.subarray(0, -1);
  return { bytes, length: bytes.length };
}
