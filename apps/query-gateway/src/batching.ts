import type { ResultBatch, ResultValues } from "./engine.ts";

/** What of a result is sent at most. */
export interface ResultLimits {
  readonly rowsMax: number;
  readonly bytesMax: number;
  readonly batchBytes: number;
}

export interface Part {
  readonly rowCount: number;
  readonly columns: readonly ResultValues[];
}

/** What happened to a result, filled while it is cut. */
export interface Tally {
  rows: number;
  bytes: number;
  truncated: boolean;
}

/**
 * Cuts the batches of an engine into parts of about `batchBytes`, up to the limits. A row is never
 * split: one that is larger travels alone. `tally.truncated` is set only when there was more.
 */
export async function* cutBatches(
  batches: AsyncIterable<ResultBatch>,
  limits: ResultLimits,
  tally: Tally,
): AsyncGenerator<Part, void, undefined> {
  for await (const batch of batches) {
    const weights = weigh(batch);
    let start = 0;
    while (start < batch.rowCount) {
      if (tally.rows >= limits.rowsMax || tally.bytes >= limits.bytesMax) {
        tally.truncated = true;
        return;
      }
      const end = endOfPart(weights, start, limits, tally);
      yield {
        rowCount: end - start,
        columns: batch.columns.map((each) => slice(each, start, end)),
      };
      start = end;
    }
  }
}

/** Moves the tally by the rows from `start` to the returned end, of which there is at least one. */
function endOfPart(
  weights: Float64Array,
  start: number,
  limits: ResultLimits,
  tally: Tally,
): number {
  let end = start;
  let bytes = 0;
  while (end < weights.length && tally.rows < limits.rowsMax) {
    const weight = weights[end] ?? 0;
    if (end > start && (bytes + weight > limits.batchBytes || tally.bytes >= limits.bytesMax))
      break;
    bytes += weight;
    end += 1;
    tally.rows += 1;
    tally.bytes += weight;
  }
  return end;
}

/** Bytes of each row's values, about: text as if it were ASCII, which decides nothing but sizes. */
function weigh({ rowCount, columns }: ResultBatch): Float64Array {
  const weights = new Float64Array(rowCount);
  for (const column of columns) {
    for (let row = 0; row < rowCount; row++)
      weights[row] = (weights[row] ?? 0) + weightOf(column, row);
  }
  return weights;
}

function weightOf(column: ResultValues, row: number): number {
  switch (column.list) {
    case "bools":
      return 1;
    case "int64s":
    case "doubles":
      return 8;
    case "strings":
    case "bytes":
      return (column.values[row]?.length ?? 0) + 2;
  }
}

function slice(column: ResultValues, start: number, end: number): ResultValues {
  const nullRows = column.nullRows
    .filter((row) => row >= start && row < end)
    .map((row) => row - start);
  return { ...column, values: column.values.slice(start, end), nullRows } as ResultValues;
}
