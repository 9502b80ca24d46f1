import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { ConfigError } from "@hybridge/core";
import { packingOf, type Packing } from "./decompress.ts";
import { formOf, type Head } from "./form.ts";
import { bytesOf, itemsOf, type Layout } from "./items.ts";

/** A file to replay. */
export interface ReplayFile {
  readonly layout: Layout;
  readonly name: string;
  /** As it lies there, when the process started. */
  readonly storedBytes: number;
  /** Named by its first item, whatever the file's name; undefined when it has none. */
  readonly stream: string | undefined;
}

/** Enough for any post (HYBRIDGE_POST_BYTES_MAX is 1 MB unless set otherwise). */
const HEAD_BYTES = 1024 * 1024;

/**
 * Looks at the beginning of a file: how it is packed, what form it has.
 *
 * @throws ConfigError when it is not there, not readable or nothing that could hold posts
 */
export async function openReplayFile(path: string): Promise<ReplayFile> {
  const found = await readable(path, () => stat(path));
  if (!found.isFile()) throw unusable(path, "it is not a file; name the files themselves");
  const packing = packingOf(await readable(path, () => firstBytes(path)));
  const head = await readable(path, () => headOf(path, packing));
  if (head.broken !== undefined && head.bytes.length === 0) throw unusable(path, head.broken);
  const form = formOf(head);
  if (!form.ok) throw unusable(path, form.reason);
  const layout = { path, packing, form: form.form, skip: form.skip };
  const stream = await streamOf(layout);
  return { layout, name: basename(path), storedBytes: found.size, stream };
}

async function firstBytes(path: string): Promise<Buffer> {
  await using file = await open(path);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.subarray(0, bytesRead);
}

async function headOf(path: string, packing: Packing): Promise<Head & { broken?: string }> {
  const pieces: Buffer[] = [];
  let length = 0;
  let broken: string | undefined;
  const chunks = bytesOf({ path, packing, skip: 0 }, (reason) => {
    broken = reason;
  });
  for await (const chunk of chunks) {
    pieces.push(chunk);
    length += chunk.length;
    if (length >= HEAD_BYTES) break;
  }
  const bytes = Buffer.concat(pieces);
  return { bytes, isWhole: length < HEAD_BYTES, ...(broken === undefined ? {} : { broken }) };
}

/**
 * The first item names the stream: it stays when more is added behind it, when the file is renamed
 * or packed, and is another in another file. Files that begin alike are told apart by how they go on
 * (progress.ts).
 */
async function streamOf(layout: Layout): Promise<string | undefined> {
  for await (const [first] of itemsOf(layout, () => undefined)) {
    if (!first) continue;
    const { bytes, sha256 } = first;
    return `file-${createHash("sha256")
      .update(sha256 ?? bytes)
      .digest("hex")
      .slice(0, 12)}`;
  }
  return undefined;
}

async function readable<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw new ConfigError(
      `cannot replay ${path}: check HYBRIDGE_REPLAY_FILES and who may read the file`,
      { cause: error },
    );
  }
}

function unusable(path: string, reason: string): ConfigError {
  return new ConfigError(`cannot replay ${path}: ${reason} (HYBRIDGE_REPLAY_FILES)`);
}
