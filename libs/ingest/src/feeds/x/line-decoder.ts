const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** What a chunk of the stream completed. */
export interface DecodedLines {
  /** Without their line ends, byte for byte; views into the chunks, to be copied by whoever keeps them. */
  readonly lines: readonly Buffer[];
  /** Empty lines: the stream is alive and has nothing to say. */
  readonly heartbeats: number;
  /** Lines of more than the bytes that were allowed; they are not among `lines`. */
  readonly oversized: readonly number[];
}

/**
 * Splits a stream into lines where its bytes say 0x0A, never in its characters: a chunk may end
 * within a character, and text that is decoded chunk by chunk has U+FFFD there. In UTF-8 no byte of
 * a longer character is 0x0A, so that the split needs to know nothing of characters.
 */
export class LineDecoder {
  readonly #lineBytesMax: number;
  /** The beginning of a line whose end has not come, in parts: joined once, however many they are. */
  #parts: Buffer[] = [];
  #partBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** Bytes of a line that was begun. At the end of a stream they are what was cut off. */
  get unfinishedBytes(): number {
    return this.#partBytes;
  }

  push(chunk: Buffer): DecodedLines {
    const lines: Buffer[] = [];
    const oversized: number[] = [];
    let heartbeats = 0;
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, from);
      if (end < 0) break;
      this.#keep(chunk.subarray(from, end));
      from = end + 1;
      const bytes = this.#partBytes;
      const line = this.#take();
      if (bytes > this.#lineBytesMax) oversized.push(bytes);
      else if (line.length === 0) heartbeats += 1;
      else lines.push(line);
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
    return { lines, heartbeats, oversized };
  }

  /** Of a line that is too long already no more is held than its length. */
  #keep(part: Buffer): void {
    this.#partBytes += part.length;
    if (this.#partBytes > this.#lineBytesMax) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }

  #take(): Buffer {
    const [first, ...rest] = this.#parts;
    const line = rest.length === 0 ? (first ?? Buffer.alloc(0)) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#partBytes = 0;
    return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
  }
}
