import {
  type Batch,
  type Column,
  type ColumnValues,
  Engine,
  type ExecuteResponse,
  type QueryServiceClient,
  Type,
} from "@hybridge/proto/hybridge/query/v1/query_service";
import { callServerStream } from "@hybridge/rpc";

/** A value of a result, lossless: int64 as bigint, decimals and times as text. */
export type Cell = boolean | bigint | number | string | Buffer | null;

export interface QueryResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly elapsedMs: number;
  readonly truncated: boolean;
}

/** Runs one statement through the gateway and collects its rows: for small results. */
export async function executeQuery(
  client: QueryServiceClient,
  request: { engine: "hive" | "redshift"; sql: string; deadlineMs: number; signal: AbortSignal },
): Promise<QueryResult> {
  const { deadlineMs, signal } = request;
  const engine = request.engine === "hive" ? Engine.HIVE : Engine.REDSHIFT;
  const method = client.execute.bind(client);
  const statement = { engine, sql: request.sql, parameters: {}, maxRows: 0n };
  return collect(callServerStream(method, statement, { deadlineMs, signal }));
}

async function collect(responses: AsyncIterable<ExecuteResponse>): Promise<QueryResult> {
  let columns: readonly Column[] = [];
  const rows: Cell[][] = [];
  let elapsedMs = 0;
  let truncated = false;
  for await (const { part } of responses) {
    if (part?.$case === "schema") columns = part.schema.columns;
    else if (part?.$case === "batch") rows.push(...rowsOf(part.batch, columns));
    else if (part?.$case === "statistics") {
      elapsedMs = Number(part.statistics.elapsedMs);
      truncated = part.statistics.truncated;
    }
  }
  return { columns: columns.map((column) => column.name), rows, elapsedMs, truncated };
}

function rowsOf(batch: Batch, columns: readonly Column[]): Cell[][] {
  const rows = Array.from({ length: batch.rowCount }, () => new Array<Cell>(columns.length));
  for (const [index, column] of columns.entries()) {
    const values = batch.columns[index];
    if (!values) continue;
    const list = listOf(values, column.type);
    const nulls = new Set(values.nullRows);
    for (const [row, cells] of rows.entries()) {
      cells[index] = nulls.has(row) ? null : (list[row] ?? null);
    }
  }
  return rows;
}

function listOf(values: ColumnValues, type: Type): readonly Cell[] {
  switch (type) {
    case Type.BOOL:
      return values.bools;
    case Type.INT64:
      return values.int64s;
    case Type.DOUBLE:
      return values.doubles;
    case Type.BYTES:
      return values.bytesValues;
    default:
      return values.strings;
  }
}
