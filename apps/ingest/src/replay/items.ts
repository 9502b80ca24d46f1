import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { ConfigError } from "@hybridge/core";
import { ReplayFileError } from "../errors.ts";
import { postSlices } from "./json-document.ts";
import { splitLines } from "./lines.ts";

/** What stands at one place of a replay file: a post, or something that is none. */
export interface Item {
  /** Line of the file, or element of its list, from 1. */
  readonly number: number;
  readonly byteOffset: number;
  readonly bytes: Buffer;
  readonly length: number;
  readonly sha256?: string;
}

/** A file to replay, as it was when the process started. */
export interface ReplayFile {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
}

/** A document is read whole; more than this must come as lines. */
const DOCUMENT_BYTES_MAX = 256 * 1024 * 1024;
/** Of one line, no more is held (and put into a dead letter). */
const LINE_BYTES_KEPT_MAX = 16 * 1024 * 1024;
/** Items that are handed on together. */
const ITEMS_MAX = 250;

/** @throws ConfigError when the file is not there, not readable or too large for its kind */
export async function openReplayFile(path: string): Promise<ReplayFile> {
  const found = await stat(path).catch((error: unknown) => {
    throw new ConfigError(`cannot replay ${path}: check HYBRIDGE_REPLAY_FILES`, {
      cause: error,
    });
  });
  if (!found.isFile()) {
    throw new ConfigError(`cannot replay ${path}: it is not a file; name the files themselves`);
  }
  if (isDocument(path) && found.size > DOCUMENT_BYTES_MAX) {
    throw new ConfigError(
      `cannot replay ${path}: a .json document is read whole, and ${found.size} bytes are more than ` +
        `${DOCUMENT_BYTES_MAX}; write one post a line and name the file .ndjson`,
    );
  }
  return { path, name: basename(path), bytes: found.size };
}

/** The items of a file in order: of a `.json` document its posts, of any other file its lines. */
export async function* itemsOf(file: ReplayFile): AsyncGenerator<readonly Item[]> {
  try {
    if (isDocument(file.path)) yield* itemsOfDocument(await readFile(file.path));
    else yield* itemsOfLines(file.path);
  } catch (error) {
    throw new ReplayFileError(`reading ${file.path} failed`, { cause: error });
  }
}

function* itemsOfDocument(bytes: Buffer): Generator<readonly Item[]> {
  const slices = postSlices(bytes);
  for (let first = 0; first < slices.length; first += ITEMS_MAX) {
    yield slices.slice(first, first + ITEMS_MAX).map(({ start, end }, index) => ({
      number: first + index + 1,
      byteOffset: start,
      bytes: bytes.subarray(start, end),
      length: end - start,
    }));
  }
}

async function* itemsOfLines(path: string): AsyncGenerator<readonly Item[]> {
  const chunks = createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
  for await (const lines of splitLines(chunks, LINE_BYTES_KEPT_MAX)) {
    const filled = lines.filter(({ bytes }) => !isBlank(bytes));
    for (let first = 0; first < filled.length; first += ITEMS_MAX) {
      yield filled.slice(first, first + ITEMS_MAX);
    }
  }
}

function isDocument(path: string): boolean {
  return extname(path).toLowerCase() === ".json";
}

function isBlank(bytes: Buffer): boolean {
  return bytes.length < 64 && bytes.toString("latin1").trim() === "";
}
