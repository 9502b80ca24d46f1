import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { describeError, failpoint, retry } from "@hybridge/core";
import { DeadLetterWriteError } from "./errors.ts";
import { splitLines } from "./replay/lines.ts";

/** Something that came from the source and is no record of the topic. */
export interface DeadLetter {
  /** What it came from: the name of a file, or of a stream. */
  readonly file: string;
  /** Line of the file, or element of its list, from 1. */
  readonly item: number;
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
   * Adds a letter unless it is there already, from this run or an earlier one. When it returns,
   * the letter is on the disk. While the disk is full it waits, and with it the source.
   *
   * @returns whether it was new
   * @throws DeadLetterWriteError when waiting is of no use
   */
  add(letter: DeadLetter, signal: AbortSignal): Promise<boolean>;
}

/** Told why a letter waits for the disk, and with undefined when it waits no longer. */
export type OnWait = (reason: string | undefined) => void;

/** Enough to find the key of a line; the bytes come after it. */
const KEY_BYTES_MAX = 4_096;

/**
 * Opens the folder's dead letters and learns which are there. A last line that a crash cut short is
 * removed: its letter will come again.
 *
 * @throws DeadLetterWriteError when the folder cannot be written
 */
export async function openDeadLetters(dir: string, onWait: OnWait): Promise<DeadLetters> {
  const path = join(dir, "ingest.ndjson");
  const file = await attempt(path, async () => {
    await mkdir(dir, { recursive: true });
    return open(path, "a+");
  });
  const known = await attempt(path, () => readKeys(path, file));
  return {
    async add(letter, signal) {
      const key = keyOf(letter.file, letter.item, letter.byteOffset);
      if (known.has(key)) return false;
      const wait = { told: false };
      await retry(() => attempt(path, () => appendWhole(file, lineOf(letter))), {
        signal,
        baseMs: 250,
        maxMs: 5_000,
        onRetry(error) {
          wait.told = true;
          onWait(describeError(error));
        },
      });
      if (wait.told) onWait(undefined);
      known.add(key);
      failpoint("ingest.dead-letter-written");
      return true;
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/** A line is there whole or not at all: what a full disk let through of it is taken back. */
async function appendWhole(file: FileHandle, line: string): Promise<void> {
  const { size } = await file.stat();
  try {
    await file.appendFile(line);
    await file.datasync();
  } catch (error) {
    await file.truncate(size).catch(() => undefined);
    throw error;
  }
}

/** The keys of all whole lines; cuts off what follows the last line feed. */
async function readKeys(path: string, file: FileHandle): Promise<Set<string>> {
  const keys = new Set<string>();
  const { size } = await file.stat();
  if (size === 0) return keys;
  const last = Buffer.alloc(1);
  await file.read(last, 0, 1, size - 1);
  let wholeBytes = 0;
  const torn = last[0] !== 0x0a;
  let previous: { key: string | undefined; byteOffset: number } | undefined;
  for await (const lines of splitLines(
    createReadStream(path) as AsyncIterable<Buffer>,
    KEY_BYTES_MAX,
  )) {
    for (const line of lines) {
      if (previous?.key !== undefined) keys.add(previous.key);
      previous = { key: keyOfLine(line.bytes), byteOffset: line.byteOffset };
      wholeBytes = line.byteOffset;
    }
  }
  if (torn) await file.truncate(wholeBytes);
  else if (previous?.key !== undefined) keys.add(previous.key);
  return keys;
}

function lineOf(letter: DeadLetter): string {
  const { file, item, byteOffset, code, reason, bytes, length } = letter;
  const sha256 = letter.sha256 ?? createHash("sha256").update(bytes).digest("hex");
  const truncated = bytes.length < length;
  // The key comes first: readKeys looks no further.
  return `${JSON.stringify({ file, item, byteOffset, code, reason, length, sha256, truncated, base64: bytes.toString("base64") })}\n`;
}

function keyOfLine(bytes: Buffer): string | undefined {
  const match = /^\{"file":("(?:[^"\\]|\\.)*"),"item":(\d+),"byteOffset":(\d+)/.exec(
    bytes.toString("utf8"),
  );
  if (!match) return undefined;
  return keyOf(JSON.parse(match[1] ?? '""') as string, Number(match[2]), Number(match[3]));
}

function keyOf(file: string, item: number, byteOffset: number): string {
  return `${file}\n${item}\n${byteOffset}`;
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw new DeadLetterWriteError(path, error);
  }
}
