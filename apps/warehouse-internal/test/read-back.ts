import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { WebHdfs } from "@hybridge/hdfs";

/** Every row in the files below a folder of HDFS, read by DuckDB, in the form of Written. */
export async function rowsInHdfs(
  hdfs: WebHdfs,
  folder: string,
  scratch: string,
  signal: AbortSignal,
): Promise<string[]> {
  await mkdir(scratch, { recursive: true });
  // What Hive reads: everything that lies in the folder of an hour, whether a commit names it or not.
  const all = await filesBelow(hdfs, `${folder}/tweets`, signal);
  const files = all.filter((path) => path.startsWith(`${folder}/tweets/dt=`));
  for (const [index, path] of files.entries()) {
    await writeFile(join(scratch, `${index}.parquet`), await hdfs.read(path, signal));
  }
  if (files.length === 0) return [];
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

async function filesBelow(hdfs: WebHdfs, folder: string, signal: AbortSignal): Promise<string[]> {
  const files: string[] = [];
  let after = "";
  for (;;) {
    const { entries, more } = await hdfs.list(folder, after, signal);
    for (const { name, type } of entries) {
      after = name;
      const path = `${folder}/${name}`;
      if (type === "DIRECTORY") files.push(...(await filesBelow(hdfs, path, signal)));
      else files.push(path);
    }
    if (!more) return files;
  }
}
