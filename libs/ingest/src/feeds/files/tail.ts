import { open, stat, type FileHandle } from "node:fs/promises";
import type { Clock } from "@hybridge/core";

const CHUNK_BYTES = 256 * 1024;

/** Between two looks at a file that has nothing new. */
const LOOK_MS = 200;

/**
 * The bytes of a file as they come, from an offset on, as `tail -F` follows it. Ends when another file has
 * the name and this one has nothing more to give, or when it was cut: then the name is to be opened again.
 */
export async function* tailBytes(
  path: string,
  from: number,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  await using file = await open(path);
  let offset = from;
  for (;;) {
    signal.throwIfAborted();
    // Looked at before reading: what is written in between is read, and found to be all.
    const isReplaced = await hasBeenReplaced(path, file, offset);
    const { bytesRead, buffer } = await file.read(
      Buffer.allocUnsafe(CHUNK_BYTES),
      0,
      CHUNK_BYTES,
      offset,
    );
    if (bytesRead > 0) {
      offset += bytesRead;
      yield buffer.subarray(0, bytesRead);
    } else if (isReplaced) {
      return;
    } else {
      await clock.sleep(LOOK_MS, signal);
    }
  }
}

/** A file that is only gone may come back under its name. */
async function hasBeenReplaced(path: string, file: FileHandle, offset: number): Promise<boolean> {
  const own = await file.stat();
  if (own.size < offset) return true;
  const named = await stat(path).catch(() => undefined);
  return named !== undefined && (named.ino !== own.ino || named.dev !== own.dev);
}
