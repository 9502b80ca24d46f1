import { openDatabase, quoted } from "./duckdb.ts";

/** How many rows a local Parquet file has, by its footer. @throws ParquetError when it is none */
export async function countParquetRows(path: string): Promise<bigint> {
  await using database = await openDatabase("64MB");
  const sql = `SELECT sum(num_rows)::BIGINT AS rows FROM parquet_file_metadata(${quoted(path)})`;
  const [row] = await database.run(sql, `count the rows of ${path}`);
  return (row?.["rows"] as bigint | null | undefined) ?? 0n;
}
