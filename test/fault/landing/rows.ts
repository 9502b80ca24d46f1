import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { WebHdfs } from "@hybridge/hdfs";
import { openHive } from "@hybridge/hive";

/**
 * `partition/offset md5` of every row in the folders that Hive reads, whether a commit names its file
 * or not; read by DuckDB. A row whose raw has another MD5 is "altered".
 */
export async function rowsInFiles(
  hdfs: WebHdfs,
  folder: string,
  scratch: string,
  signal: AbortSignal,
): Promise<string[]> {
  await mkdir(scratch, { recursive: true });
  try {
    const days = await names(hdfs, folder, signal);
    let count = 0;
    for (const day of days.filter((name) => name.startsWith("dt="))) {
      for (const hour of await names(hdfs, `${folder}/${day}`, signal)) {
        for (const file of await names(hdfs, `${folder}/${day}/${hour}`, signal)) {
          const bytes = await hdfs.read(`${folder}/${day}/${hour}/${file}`, signal);
          await writeFile(join(scratch, `${count++}.parquet`), bytes);
        }
      }
    }
    return count === 0 ? [] : await rowsOf(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function names(hdfs: WebHdfs, folder: string, signal: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const { entries, more } = await hdfs.list(folder, found.at(-1) ?? "", signal);
    found.push(...entries.map(({ name }) => name));
    if (!more) return found;
  }
}

async function rowsOf(folder: string): Promise<string[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(
      `SELECT kafka_partition || '/' || kafka_offset || ' ' ||
         CASE WHEN raw_md5 = md5(coalesce(raw, '')) THEN raw_md5 ELSE 'altered' END
       FROM read_parquet('${folder}/*.parquet')`,
    );
    return reader
      .getRows()
      .map(([text]) => String(text))
      .sort();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** The same as Hive shows it. */
export async function rowsInHive(
  address: string,
  table: string,
  signal: AbortSignal,
): Promise<string[]> {
  const [host = "", port = ""] = address.split(":");
  await using engine = openHive({ host, port: Number(port) });
  const sql = `SELECT concat(kafka_partition, '/', kafka_offset, ' ', raw_md5) FROM hybridge.${table}`;
  await using result = await engine.execute(sql, { signal });
  const rows: string[] = [];
  for await (const { columns } of result.batches) {
    const [texts] = columns;
    if (texts?.list === "strings") rows.push(...texts.values);
  }
  return rows.sort();
}
