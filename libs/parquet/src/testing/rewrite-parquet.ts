import { DuckDBInstance } from "@duckdb/node-api";

/**
 * Writes a Parquet file anew with other columns, for tests that need files of another version.
 *
 * @param columns SQL of each column, in order
 */
export async function rewriteParquet(
  from: string,
  to: string,
  columns: readonly string[],
): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    await connection.run(
      `COPY (SELECT ${columns.join(", ")} FROM read_parquet('${from}')) TO '${to}' (FORMAT parquet, COMPRESSION snappy)`,
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
