import { createHash, type Hash } from "node:crypto";

/** One line of a file, without its line end, and where it stands. */
export interface Line {
  /** From 1. */
  readonly number: number;
  readonly byteOffset: number;
  /** The line, or its first `keptMax` bytes when it is longer. */
  readonly bytes: Buffer;
  /** Of the whole line. */
  readonly length: number;
  /** Present when `bytes` is only a part: the SHA-256 of the whole line, in hex. */
  readonly sha256?: string;
}

interface Unfinished {
  parts: Buffer[];
  kept: number;
  length: number;
  hash: Hash | undefined;
}

/**
 * Splits chunks of bytes at line feeds (and the carriage return before one). Whatever stands
 * between two line feeds, no more than `keptMax` bytes of it are held.
 */
export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  keptMax: number,
): AsyncGenerator<Line[]> {
  let number = 1;
  let byteOffset = 0;
  let open = begin();
  const finish = (consumed: number): Line => {
    const line = { number, byteOffset, ...close(open) };
    number += 1;
    byteOffset += consumed;
    open = begin();
    return line;
  };
  for await (const chunk of chunks) {
    const lines: Line[] = [];
    let start = 0;
    for (;;) {
      const feed = chunk.indexOf(0x0a, start);
      if (feed < 0) break;
      extend(open, chunk.subarray(start, feed), keptMax);
      lines.push(finish(open.length + 1));
      start = feed + 1;
    }
    extend(open, chunk.subarray(start), keptMax);
    if (lines.length > 0) yield lines;
  }
  if (open.length > 0) yield [finish(open.length)];
}

function begin(): Unfinished {
  return { parts: [], kept: 0, length: 0, hash: undefined };
}

function extend(line: Unfinished, piece: Buffer, keptMax: number): void {
  if (piece.length === 0) return;
  line.length += piece.length;
  const room = keptMax - line.kept;
  if (piece.length <= room) {
    line.parts.push(piece);
    line.kept += piece.length;
    return;
  }
  line.hash ??= hashOf(line.parts);
  line.hash.update(piece);
  if (room > 0) {
    line.parts.push(piece.subarray(0, room));
    line.kept += room;
  }
}

function close(line: Unfinished): Pick<Line, "bytes" | "length" | "sha256"> {
  const [only] = line.parts;
  const bytes = line.parts.length === 1 && only ? only : Buffer.concat(line.parts);
  if (line.hash) return { bytes, length: line.length, sha256: line.hash.digest("hex") };
  const whole = bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes;
  return { bytes: whole, length: whole.length };
}

function hashOf(parts: readonly Buffer[]): Hash {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash;
}
