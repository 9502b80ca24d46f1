import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { SqlRefused } from "../sql/refused.ts";
import { quoteLiteral, quoteName } from "../sql/tokens.ts";
import type { TargetColumn } from "./table.ts";

// Parquet types, as DuckDB names them, that COPY puts into a column type.
const INTEGERS = /^U?(TINYINT|SMALLINT|INTEGER|BIGINT)$/;
const ACCEPTS: Readonly<Record<string, RegExp>> = {
  int2: INTEGERS,
  int4: INTEGERS,
  int8: INTEGERS,
  float4: /^(FLOAT|DOUBLE)$/,
  float8: /^(FLOAT|DOUBLE)$/,
  numeric: /^DECIMAL/,
  bool: /^BOOLEAN$/,
  varchar: /^(VARCHAR|JSON|ENUM.*)$/,
  bpchar: /^(VARCHAR|JSON|ENUM.*)$/,
  jsonb: /^(VARCHAR|JSON)$/,
  date: /^DATE$/,
  timestamp: /^TIMESTAMP(_S|_MS|_NS)?$/,
  timestamptz: /^TIMESTAMP/,
  time: /^TIME$/,
  // Text goes into VARBYTE as its UTF-8 bytes.
  bytea: /^(BLOB|VARCHAR|JSON)$/,
};

/** Reads Parquet files into CSV that PostgreSQL loads: NULL is empty, every value is quoted. */
export interface ParquetReader extends AsyncDisposable {
  /** @throws SqlRefused when the columns of the file are not those of the table */
  toCsv(
    file: { readonly path: string; readonly url: string },
    columns: readonly TargetColumn[],
    fillRecord: boolean,
    csvPath: string,
  ): Promise<void>;
}

/** One DuckDB for one COPY; its memory goes back when it is closed. */
export async function openParquetReader(temporary: string): Promise<ParquetReader> {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: "160MB",
    temp_directory: temporary,
    preserve_insertion_order: "true",
  });
  const connection = await instance.connect();
  // Its cache takes a file for unchanged when path and length are; ours are read once anyway.
  await connection.run("SET enable_external_file_cache = false");
  return {
    toCsv: (file, columns, fillRecord, csvPath) =>
      toCsv(connection, file, columns, fillRecord, csvPath),
    [Symbol.asyncDispose]() {
      connection.closeSync();
      instance.closeSync();
      return Promise.resolve();
    },
  };
}

async function toCsv(
  connection: DuckDBConnection,
  file: { readonly path: string; readonly url: string },
  columns: readonly TargetColumn[],
  fillRecord: boolean,
  csvPath: string,
): Promise<void> {
  const source = `read_parquet(${quoteLiteral(file.path)}, hive_partitioning = false)`;
  const described = await connection
    .runAndReadAll(`DESCRIBE SELECT * FROM ${source}`)
    .catch((error: unknown) => {
      throw new SqlRefused(`Spectrum Scan Error: File '${file.url}' is not a valid Parquet file`, {
        cause: error,
      });
    });
  const found = described
    .getRows()
    .map(([name, type]) => ({ name: String(name), type: String(type) }));
  checkColumns(file.url, found, columns, fillRecord);
  const values = columns.map((column, index) => {
    const name = quoteName(found[index]?.name ?? "");
    if (index >= found.length) return `NULL AS c${index}`;
    if (column.type === "bytea") return `'\\x' || hex(${name}) AS c${index}`;
    return `CAST(${name} AS VARCHAR) AS c${index}`;
  });
  await connection.run(
    `COPY (SELECT ${values.join(", ")} FROM ${source}) TO ${quoteLiteral(csvPath)}
     (FORMAT csv, HEADER false, FORCE_QUOTE *, NULLSTR '')`,
  );
}

function checkColumns(
  url: string,
  found: readonly { readonly name: string; readonly type: string }[],
  columns: readonly TargetColumn[],
  fillRecord: boolean,
): void {
  const fits = fillRecord ? found.length <= columns.length : found.length === columns.length;
  if (!fits) {
    throw new SqlRefused(
      `Spectrum Scan Error: Unmatched number of columns between table and file. ` +
        `Table columns: ${columns.length}, Data columns: ${found.length}, File name: ${url}`,
    );
  }
  found.forEach(({ name, type }, index) => {
    const column = columns[index];
    if (column && (ACCEPTS[column.type]?.test(type) !== true || isCut(type, column))) {
      throw new SqlRefused(
        `Spectrum Scan Error: File '${url}' has an incompatible Parquet schema for column ` +
          `'${column.name}'. Column type: ${column.type.toUpperCase()}, Parquet schema: ${type} ${name}`,
      );
    }
  });
}

/** A DECIMAL with more digits behind the point than the column has. */
function isCut(type: string, { scale }: TargetColumn): boolean {
  const found = /^DECIMAL\(\d+,(\d+)\)$/.exec(type)?.[1];
  return found !== undefined && scale !== undefined && Number(found) > scale;
}
