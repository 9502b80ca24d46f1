import type { Result, ResultValues } from "./engine.ts";
import { UnexpectedResultError } from "./errors.ts";

export type Cell = boolean | bigint | number | string | Buffer | null;

/** All rows of a small result. @throws UnexpectedResultError beyond `most` rows */
export async function collectRows(result: Result, most: number): Promise<Cell[][]> {
  const rows: Cell[][] = [];
  for await (const batch of result.batches) {
    const cells = batch.columns.map(cellsOf);
    for (let row = 0; row < batch.rowCount; row++)
      rows.push(cells.map((column) => column[row] ?? null));
    if (rows.length > most) {
      throw new UnexpectedResultError(
        `an engine answered more than ${most} rows where fewer are possible`,
      );
    }
  }
  return rows;
}

function cellsOf(column: ResultValues): Cell[] {
  const cells: Cell[] = [...column.values];
  for (const row of column.nullRows) cells[row] = null;
  return cells;
}

/** An integer that came as bigint or, from a decimal, as text. @throws UnexpectedResultError */
export function integerOf(cell: Cell | undefined): bigint {
  if (typeof cell === "bigint") return cell;
  if (typeof cell === "number" && Number.isSafeInteger(cell)) return BigInt(cell);
  if (typeof cell === "string" && /^-?\d+$/.test(cell)) return BigInt(cell);
  throw new UnexpectedResultError(
    `an engine answered ${JSON.stringify(String(cell))} for an integer`,
  );
}
