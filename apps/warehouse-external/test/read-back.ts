import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GetObjectCommand, paginateListObjectsV2, type S3Client } from "@aws-sdk/client-s3";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Redshift } from "@hybridge/redshift";

/** Every row in the files of a bucket, read by DuckDB: `partition/offset md5 of the value`. */
export async function rowsInS3(s3: S3Client, bucket: string, scratch: string): Promise<string[]> {
  await mkdir(scratch, { recursive: true });
  const keys = await keysBelow(s3, bucket, "tweets/");
  for (const [index, key] of keys.entries()) {
    await writeFile(join(scratch, `${index}.parquet`), await contentOf(s3, bucket, key));
  }
  if (keys.length === 0) return [];
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(
    `SELECT kafka_partition AS p, kafka_offset AS o, raw_md5 = md5(coalesce(raw, '')) AS same, raw_md5 AS md5
     FROM read_parquet('${scratch}/*.parquet')`,
  );
  const rows = reader.getRowObjects().map((row) => {
    return `${String(row["p"])}/${String(row["o"])} ${String(row["same"] ? row["md5"] : "altered")}`;
  });
  connection.closeSync();
  instance.closeSync();
  return rows.sort();
}

/** `partition/offset` of every dead letter. */
export async function deadLettersInS3(s3: S3Client, bucket: string): Promise<string[]> {
  const letters: string[] = [];
  for (const key of await keysBelow(s3, bucket, "_dead-letters/")) {
    const text = (await contentOf(s3, bucket, key)).toString();
    for (const line of text.trim().split("\n")) {
      const letter = JSON.parse(line) as { partition: number; offset: string };
      letters.push(`${letter.partition}/${letter.offset}`);
    }
  }
  return letters.sort();
}

/** The rows of hybridge.tweets in the same form as rowsInS3. */
export async function rowsInRedshift(redshift: Redshift, signal: AbortSignal): Promise<string[]> {
  const result = await redshift.execute(
    "SELECT kafka_partition || '/' || kafka_offset || ' ' || raw_md5 FROM hybridge.tweets",
    { signal },
  );
  const rows: string[] = [];
  for await (const { columns } of result.batches) {
    const [texts] = columns;
    if (texts?.list === "strings") rows.push(...texts.values);
  }
  return rows.sort();
}

async function keysBelow(s3: S3Client, bucket: string, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  const pages = paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: prefix });
  for await (const page of pages) {
    for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key);
  }
  return keys;
}

async function contentOf(s3: S3Client, bucket: string, key: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}
