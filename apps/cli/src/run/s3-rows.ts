import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import { countParquetRows } from "@hybridge/parquet";

/** Rows in all Parquet objects of a bucket, counted from the objects themselves. */
export async function countLandedRows(options: {
  readonly endpoint: string;
  readonly bucket: string;
  readonly signal: AbortSignal;
}): Promise<number> {
  const { bucket, signal } = options;
  const client = new S3Client({
    endpoint: options.endpoint,
    forcePathStyle: true,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  const directory = await mkdtemp(join(tmpdir(), "hybridge-read-back-"));
  try {
    let rows = 0;
    const file = join(directory, "object.parquet");
    for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
      for (const { Key } of page.Contents ?? []) {
        signal.throwIfAborted();
        // Folders with an underscore hold what no query reads: the raw records, the log, dead letters.
        if (Key?.endsWith(".parquet") !== true || /(^|\/)_/.test(Key)) continue;
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
        await pipeline(Body as Readable, createWriteStream(file));
        rows += Number(await countParquetRows(file));
      }
    }
    return rows;
  } finally {
    client.destroy();
    await rm(directory, { recursive: true, force: true });
  }
}
