import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import type { CopyCommand } from "../sql/copy-command.ts";
import { SqlRefused } from "../sql/refused.ts";

/** An object that a COPY is to load. */
export interface SourceFile {
  readonly url: string;
  readonly bucket: string;
  readonly key: string;
  readonly mandatory: boolean;
  /** From the manifest's meta; the object must be as long. */
  readonly contentLength: number | undefined;
}

interface ManifestEntry {
  readonly url?: unknown;
  readonly mandatory?: unknown;
  readonly meta?: { readonly content_length?: unknown };
}

/** The objects of a COPY: those of its manifest, or all under its prefix. */
export async function listSources(
  s3: S3Client,
  copy: CopyCommand,
  signal: AbortSignal,
): Promise<SourceFile[]> {
  const { bucket, key } = parseUrl(copy.source);
  if (copy.manifest) return readManifest(s3, copy, bucket, key, signal);
  const files: SourceFile[] = [];
  const pages = paginateListObjectsV2(
    { client: s3 },
    { Bucket: bucket, Prefix: key },
    { abortSignal: signal },
  );
  try {
    for await (const page of pages) {
      for (const { Key } of page.Contents ?? []) {
        if (Key === undefined || Key.endsWith("/")) continue;
        const url = `s3://${bucket}/${Key}`;
        files.push({ url, bucket, key: Key, mandatory: true, contentLength: undefined });
      }
    }
  } catch (error) {
    throw s3Failure(copy.source, error);
  }
  if (files.length === 0) throw new SqlRefused(`The specified S3 prefix '${key}' does not exist`);
  return files;
}

/** Writes the object to a file. @returns false when an entry that is not mandatory is missing */
export async function download(
  s3: S3Client,
  file: SourceFile,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  let body: unknown;
  let length: number | undefined;
  try {
    const object = await s3.send(new GetObjectCommand({ Bucket: file.bucket, Key: file.key }), {
      abortSignal: signal,
    });
    body = object.Body;
    length = object.ContentLength;
  } catch (error) {
    if (isMissing(error) && !file.mandatory) return false;
    throw s3Failure(file.url, error);
  }
  if (!(body instanceof Readable)) throw new SqlRefused(`S3 gave no content for ${file.url}`);
  if (file.contentLength !== undefined && length !== undefined && file.contentLength !== length) {
    body.destroy();
    throw new SqlRefused(
      `Manifest entry ${file.url} has content_length ${file.contentLength}, but the object has ${length} bytes`,
    );
  }
  await pipeline(body, createWriteStream(path), { signal });
  return true;
}

async function readManifest(
  s3: S3Client,
  copy: CopyCommand,
  bucket: string,
  key: string,
  signal: AbortSignal,
): Promise<SourceFile[]> {
  let text: string;
  try {
    const object = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }), {
      abortSignal: signal,
    });
    text = (await object.Body?.transformToString("utf8")) ?? "";
  } catch (error) {
    throw s3Failure(copy.source, error, "Problem reading manifest file - ");
  }
  const entries = entriesOf(copy.source, text);
  return entries.map((entry) => manifestFile(copy, entry));
}

function entriesOf(source: string, text: string): ManifestEntry[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new SqlRefused(`Manifest file is not in correct json format: ${source}`);
  }
  const entries = (parsed as { entries?: unknown } | null)?.entries;
  if (!Array.isArray(entries)) {
    throw new SqlRefused(`Manifest file is not in correct json format: ${source} has no entries`);
  }
  return entries as ManifestEntry[];
}

function manifestFile(copy: CopyCommand, entry: ManifestEntry): SourceFile {
  if (typeof entry.url !== "string") {
    throw new SqlRefused(`Manifest file ${copy.source} has an entry without url`);
  }
  const length = entry.meta?.content_length;
  if (copy.format === "parquet" && typeof length !== "number") {
    throw new SqlRefused(
      `Manifest file ${copy.source} does not have meta key content_length for ${entry.url}`,
    );
  }
  return {
    url: entry.url,
    ...parseUrl(entry.url),
    mandatory: entry.mandatory === true,
    contentLength: typeof length === "number" ? length : undefined,
  };
}

function parseUrl(url: string): { bucket: string; key: string } {
  const match = /^s3:\/\/([^/]+)\/(.+)$/.exec(url);
  if (!match?.[1] || !match[2])
    throw new SqlRefused(`Invalid S3 URL ${url}: s3://bucket/key is wanted`);
  return { bucket: match[1], key: match[2] };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error.name === "NoSuchKey" || error.name === "NotFound");
}

function s3Failure(url: string, error: unknown, prefix = ""): Error {
  if (!(error instanceof Error) || error.name === "AbortError") return error as Error;
  const metadata = (error as { $metadata?: { httpStatusCode?: number; requestId?: string } })
    .$metadata;
  const status = metadata?.httpStatusCode;
  const reason =
    status === undefined
      ? // 7 is curl's "could not connect": what Redshift says when S3 does not answer.
        `S3CurlException: ${error.message || error.name}, CurlError 7, multiCurlError 0, CanRetry 1, UserError 0`
      : `S3ServiceException: ${error.message},Status ${status},Error ${error.name},Rid ${metadata?.requestId ?? "-"}`;
  return new SqlRefused(`${prefix}${reason}, reading ${url}`, { cause: error });
}
