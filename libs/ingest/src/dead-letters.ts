import { hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { describeError, failpoint, retry } from "@hybridge/core";
import { DeadLetterWriteError } from "./errors.ts";
import { KnownLetters } from "./known-letters.ts";
import { splitLines } from "./feeds/files/lines.ts";

/** Something that came from the source and is no record of the topic. */
export interface DeadLetter {
  /** The stream it stands in, its place there, and the checksum of the stream up to it. */
  readonly sequence: string;
  readonly item: number;
  readonly index: number;
  readonly mark: number;
  /** What it came from, for people: the name of a file, or of a stream. */
  readonly file: string;
  /** Line of the file, or value of its document, from 1. */
  readonly line: number;
  readonly byteOffset: number;
  /** Stable, for machines; `reason` is for people. */
  readonly code: string;
  readonly reason: string;
  readonly bytes: Buffer;
  /** Of the original, which `bytes` may be the beginning of. */
  readonly length: number;
  /** When `bytes` is only a part. */
  readonly sha256?: string;
}

/** The dead letters of this ingest, one JSON object a line in `ingest.ndjson`. */
export interface DeadLetters extends AsyncDisposable {
  /**
   * Takes a letter on, unless it is there already, from this run or an earlier one. It is on the
   * disk when the next flush returns. While the disk is full this waits, and with it the source.
   *
   * @throws DeadLetterWriteError when waiting is of no use
   */
  add(letter: DeadLetter, signal: AbortSignal): Promise<void>;
  /** Puts on the disk what was added, in one write. @throws as add() does */
  flush(signal: AbortSignal): Promise<void>;
}

/** Letters that have come to be on the disk together. */
export interface WrittenLetters {
  readonly counts: ReadonlyMap<string, number>;
  /** One of them, for a person who looks. */
  readonly example: Pick<DeadLetter, "file" | "line" | "code" | "reason">;
}

export interface DeadLetterOptions {
  readonly dir: string;
  readonly onWritten: (letters: WrittenLetters) => void;
  /** Told why letters wait for the disk, and with undefined when they wait no longer. */
  readonly onWait: (reason: string | undefined) => void;
}

/** Enough to find the key of a line; the bytes come after it. */
const KEY_BYTES_MAX = 4_096;
/** So much is written at once; a million short letters are some hundred writes. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Of one letter. The rest is in the source, at the place that the letter names. */
const LETTER_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Opens the folder's dead letters and learns which are there. A last line that a crash cut short is
 * removed: its letter will come again.
 *
 * @throws DeadLetterWriteError when the folder cannot be written
 */
export async function openDeadLetters(options: DeadLetterOptions): Promise<DeadLetters> {
  const { dir } = options;
  const path = join(dir, "ingest.ndjson");
  const file = await attempt(path, async () => {
    await mkdir(dir, { recursive: true });
    return open(path, "a+");
  });
  const known = await attempt(path, () => readKnown(path, file));
  let batch = emptyBatch();

  const write = async (signal: AbortSignal): Promise<void> => {
    const taken = batch;
    const { lines, example, counts } = taken;
    if (!example) return;
    batch = emptyBatch();
    const bytes = Buffer.from(lines.join(""));
    const wait = { told: false };
    try {
      await retry(() => attempt(path, () => appendWhole(file, bytes)), {
        signal,
        baseMs: 250,
        maxMs: 5_000,
        onRetry(error) {
          wait.told = true;
          options.onWait(describeError(error));
        },
      });
    } catch (error) {
      // They count as known: the next session will not bring them again.
      batch = joined(taken, batch);
      throw error;
    }
    if (wait.told) options.onWait(undefined);
    options.onWritten({ counts, example });
    failpoint("ingest.dead-letter-written");
  };
  // The source and a lane whose post was refused may both come: one write at a time.
  let tail: Promise<unknown> = Promise.resolve();
  const flush = (signal: AbortSignal): Promise<void> => {
    const turn = tail.then(() => write(signal));
    tail = turn.catch(() => undefined);
    return turn;
  };
  return {
    async add(letter, signal) {
      if (known.has(letter)) return;
      known.add(letter);
      const line = lineOf(letter);
      batch.lines.push(line);
      batch.bytes += line.length;
      batch.example ??= letter;
      batch.counts.set(letter.code, (batch.counts.get(letter.code) ?? 0) + 1);
      if (batch.bytes >= BATCH_BYTES_MAX) await flush(signal);
    },
    flush,
    [Symbol.asyncDispose]: () => file.close(),
  };
}

interface Batch {
  readonly lines: string[];
  readonly counts: Map<string, number>;
  bytes: number;
  example: DeadLetter | undefined;
}

function emptyBatch(): Batch {
  return { lines: [], counts: new Map(), bytes: 0, example: undefined };
}

function joined(first: Batch, second: Batch): Batch {
  const counts = new Map(first.counts);
  for (const [code, count] of second.counts) counts.set(code, (counts.get(code) ?? 0) + count);
  return {
    lines: [...first.lines, ...second.lines],
    counts,
    bytes: first.bytes + second.bytes,
    example: first.example ?? second.example,
  };
}

/** A batch is there whole or not at all: what a full disk let through of it is taken back. */
async function appendWhole(file: FileHandle, bytes: Buffer): Promise<void> {
  const { size } = await file.stat();
  try {
    await file.appendFile(bytes);
    await file.datasync();
  } catch (error) {
    await file.truncate(size).catch(() => undefined);
    throw error;
  }
}

/** What all whole lines hold; cuts off what follows the last line feed. */
async function readKnown(path: string, file: FileHandle): Promise<KnownLetters> {
  const known = new KnownLetters();
  const { size } = await file.stat();
  if (size === 0) return known;
  const last = Buffer.alloc(1);
  await file.read(last, 0, 1, size - 1);
  const isTorn = last[0] !== 0x0a;
  let previous: { bytes: Buffer; byteOffset: number } | undefined;
  const chunks = createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>;
  for await (const lines of splitLines(chunks, KEY_BYTES_MAX)) {
    for (const line of lines) {
      if (previous) known.addLine(previous.bytes);
      previous = line;
    }
  }
  if (isTorn) await file.truncate(previous?.byteOffset ?? 0);
  else if (previous) known.addLine(previous.bytes);
  return known;
}

function lineOf(letter: DeadLetter): string {
  const { sequence, index, mark, file, line, byteOffset, code, reason, length } = letter;
  const bytes = letter.bytes.subarray(0, LETTER_BYTES_MAX);
  const sha256 = letter.sha256 ?? hash("sha256", letter.bytes);
  const truncated = bytes.length < length;
  // The key comes first: readKnown looks no further.
  return `${JSON.stringify({
    stream: sequence,
    place: letter.item,
    index,
    mark,
    file,
    item: line,
    byteOffset,
    code,
    reason,
    length,
    sha256,
    truncated,
    base64: bytes.toString("base64"),
  })}\n`;
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw new DeadLetterWriteError(path, error);
  }
}
