import { readdirSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { openWebHdfs } from "@hybridge/hdfs";
import { MD5_BYTES, type Filled } from "./fill.ts";

/** Fetches the Parquet files below a folder of HDFS; hidden ones are not the table's. */
async function fetchFiles(
  webhdfs: string,
  user: string,
  folder: string,
  into: string,
  signal: AbortSignal,
): Promise<number> {
  await using hdfs = openWebHdfs({ url: webhdfs, user });
  let files = 0;
  const walk = async (path: string): Promise<void> => {
    let after = "";
    for (;;) {
      const { entries, more } = await hdfs.list(path, after, signal);
      for (const { name, type } of entries) {
        after = name;
        if (name.startsWith("_") || name.startsWith(".")) continue;
        if (type === "DIRECTORY") await walk(`${path}/${name}`);
        else if (name.endsWith(".parquet")) {
          const bytes = await hdfs.read(`${path}/${name}`, signal);
          await writeFile(join(into, `${files++}.parquet`), bytes);
        }
      }
      if (!more) return;
    }
  };
  await walk(folder);
  return files;
}

/**
 * Compares every row with its record: each exactly once, with the MD5 of the value and with a `raw`
 * that has that MD5.
 *
 * @returns what the files are, for people
 * @throws Error that says what is missing, doubled or altered
 */
export async function compare(
  at: {
    readonly webhdfs: string;
    readonly user: string;
    readonly folder: string;
    readonly dir: string;
  },
  filled: Filled,
  signal: AbortSignal,
): Promise<string> {
  const into = join(at.dir, "fetched");
  await mkdir(into, { recursive: true });
  try {
    const files = await fetchFiles(at.webhdfs, at.user, at.folder, into, signal);
    const bytes = readdirSync(into).reduce((sum, name) => sum + statSync(join(into, name)).size, 0);
    await compareRows(into, filled);
    return `${files} files, ${Math.round(bytes / 1e6)} MB`;
  } finally {
    await rm(into, { recursive: true, force: true });
  }
}

async function compareRows(folder: string, { records, sums }: Filled): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const connection = await instance.connect();
  const seen = sums.map((sum) => new Uint8Array(sum.length / MD5_BYTES));
  let rows = 0;
  try {
    const result = await connection.stream(
      `SELECT kafka_partition::INTEGER, kafka_offset::INTEGER, raw_md5, md5(raw)
       FROM read_parquet('${folder}/*.parquet', hive_partitioning = false)`,
    );
    for await (const chunk of result) {
      for (const [partition, offset, md5, rawMd5] of chunk.getRows() as [
        number,
        number,
        string,
        string,
      ][]) {
        const place = offset * MD5_BYTES;
        const wanted = sums[partition]?.subarray(place, place + MD5_BYTES).toString("hex");
        const marks = seen[partition];
        if (wanted !== md5 || wanted !== rawMd5 || !marks) {
          throw new Error(`${partition}/${offset}: MD5 ${md5}, raw's ${rawMd5}, wanted ${wanted}`);
        }
        if (marks[offset] === 1) throw new Error(`${partition}/${offset} is there twice`);
        marks[offset] = 1;
        rows += 1;
      }
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  if (rows !== records) throw new Error(`${rows} rows of ${records} records`);
}
