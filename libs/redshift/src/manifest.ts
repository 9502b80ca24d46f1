import { createHash } from "node:crypto";
import type { BlobStore, LedgerEntry } from "@hybridge/landing";

/** `_` hides the folder from whoever reads the landed files. */
const FOLDER = "_loads";

/**
 * Writes the manifest of a load, named by its content: the same load finds it again. Every file is
 * mandatory, and its length is part of it, which COPY from Parquet requires (AWS: "Using a manifest
 * to specify data files").
 *
 * @returns its s3:// URL; undefined when there is nothing to load
 */
export async function writeManifest(
  blobs: BlobStore,
  entries: readonly LedgerEntry[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const files = entries.flatMap((entry) => entry.files);
  if (files.length === 0) return undefined;
  const listed = files.map(({ location, bytes }) => ({
    url: location,
    mandatory: true,
    meta: { content_length: bytes },
  }));
  const content = Buffer.from(`${JSON.stringify({ entries: listed }, undefined, 1)}\n`);
  const name = `${FOLDER}/${createHash("sha256").update(content).digest("hex")}.manifest`;
  await blobs.create(name, content, signal);
  return blobs.locationOf(name);
}
