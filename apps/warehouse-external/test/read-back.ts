import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { TableStore } from "@hybridge/landing";
import type { Redshift } from "@hybridge/redshift";

/**
 * Every row in landed files, read by DuckDB: `partition/offset md5 of the value`, the value being
 * that of the sibling with the exact records.
 */
export async function rowsInFiles(
  store: TableStore,
  paths: readonly string[],
  scratch: string,
  signal: AbortSignal,
): Promise<string[]> {
  const folders = { typed: join(scratch, "typed"), raw: join(scratch, "raw") };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });
  for (const [index, path] of paths.entries()) {
    for (const [part, name] of [
      ["typed", path],
      ["raw", `_raw/${path}`],
    ] as const) {
      const content = await store.read(name, signal);
      if (content === undefined) throw new Error(`${store.locationOf(name)} is not there`);
      await writeFile(join(folders[part], `${index}.parquet`), content);
    }
  }
  if (paths.length === 0) return [];
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const key = "kafka_topic, kafka_partition, kafka_offset";
  const reader = await connection.runAndReadAll(
    `SELECT kafka_partition AS p, kafka_offset AS o, raw_md5 = md5(coalesce(raw, '')) AS same, raw_md5 AS md5
     FROM read_parquet('${folders.typed}/*.parquet') AS typed LEFT JOIN read_parquet('${folders.raw}/*.parquet') AS records USING (${key})`,
  );
  const rows = reader.getRowObjects().map((row) => {
    return `${String(row["p"])}/${String(row["o"])} ${String(row["same"] === true ? row["md5"] : "altered")}`;
  });
  connection.closeSync();
  instance.closeSync();
  return rows.sort();
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
