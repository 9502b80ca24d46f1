import type { Redshift, RedshiftParameters } from "../api.ts";

/** All rows of a small result; nulls as undefined. */
export async function readRows(
  redshift: Redshift,
  sql: string,
  signal: AbortSignal,
  parameters: RedshiftParameters = {},
): Promise<unknown[][]> {
  const { batches } = await redshift.execute(sql, { signal, parameters });
  const rows: unknown[][] = [];
  for await (const { rowCount, columns } of batches) {
    for (let row = 0; row < rowCount; row += 1) {
      rows.push(
        columns.map(({ values, nullRows }) => (nullRows.includes(row) ? undefined : values[row])),
      );
    }
  }
  return rows;
}
