import type { Hive, HiveValues } from "./api.ts";

/** Runs a statement with few rows and gives them as text, row by row. */
export async function runText(
  hive: Hive,
  sql: string,
  signal: AbortSignal,
): Promise<(string | null)[][]> {
  const rows: (string | null)[][] = [];
  await using result = await hive.execute(sql, { signal });
  for await (const { rowCount, columns } of result.batches) {
    const texts = columns.map(textsOf);
    for (let row = 0; row < rowCount; row++) rows.push(texts.map((column) => column[row] ?? null));
  }
  return rows;
}

function textsOf({ values, nullRows }: HiveValues): (string | null)[] {
  const texts: (string | null)[] = values.map(String);
  for (const row of nullRows) texts[row] = null;
  return texts;
}
