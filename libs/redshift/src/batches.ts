import type { RedshiftBatch, RedshiftResult } from "./api.ts";
import { batchOf, columnOf, type ColumnMetadata, type Field } from "./columns.ts";
import { RedshiftRowSizeError } from "./errors.ts";
import { requestError, ROW_ADVICE } from "./failures.ts";
import { readResultPage, type ResultPage } from "./result-pages.ts";
import { within, type Connection } from "./statement.ts";

/** The result of a statement that gives no rows. */
export function emptyResult(statementId: string, rows: bigint | undefined): RedshiftResult {
  return { statementId, columns: [], rows, batches: none() };
}

/** Reads the first page for its columns; the rest follows as it is asked for. */
export async function batchesOf(
  connection: Connection,
  statementId: string,
  signal: AbortSignal,
): Promise<{
  readonly first: readonly ColumnMetadata[];
  readonly batches: AsyncIterable<RedshiftBatch>;
}> {
  const read = (token: string | undefined) => readPage(connection, statementId, token, signal);
  const page = await read(undefined);
  return { first: page.columns, batches: follow(page, read) };
}

/** One page is fetched while the one before it is used, never more. */
async function* follow(
  first: ResultPage,
  read: (token: string) => Promise<ResultPage>,
): AsyncGenerator<RedshiftBatch> {
  const columns = first.columns.map(columnOf);
  let page = first;
  for (;;) {
    const next = page.nextToken === undefined ? undefined : read(page.nextToken);
    // Its failure is told when its turn comes, or never if nobody asks.
    next?.catch(() => undefined);
    if (page.rows.length > 0) yield batchOf(columns, page.rows);
    if (next === undefined) return;
    page = await next;
  }
}

async function readPage(
  { client, address, timeouts }: Connection,
  statementId: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<ResultPage> {
  const attempted = `${address}: read the result of statement ${statementId}`;
  const page = await readResultPage(
    client,
    statementId,
    token,
    within(signal, timeouts.answerMs),
  ).catch((error: unknown) => {
    signal.throwIfAborted();
    throw requestError(attempted, error);
  });
  for (const row of page.rows) {
    const bytes = bytesOf(row);
    if (bytes <= ROW_BYTES_MAX) continue;
    const message = `${attempted}: a row has ${bytes} bytes. ${ROW_ADVICE}`;
    throw new RedshiftRowSizeError(message, { id: statementId }, "");
  }
  return page;
}

/** Bytes of a row that AWS carries; other services of the Data API may carry more, to nobody's use. */
const ROW_BYTES_MAX = 65_536;

function bytesOf(row: readonly Field[]): number {
  let characters = 0;
  for (const { stringValue = "", blobValue = "" } of row) {
    characters += stringValue.length + blobValue.length;
  }
  // A UTF-16 unit is three bytes of UTF-8 at most.
  if (characters * 3 + row.length * 8 <= ROW_BYTES_MAX) return 0;
  return row.reduce((bytes, { stringValue, blobValue }) => {
    if (blobValue !== undefined) return bytes + Buffer.byteLength(blobValue, "base64");
    return bytes + (stringValue === undefined ? 8 : Buffer.byteLength(stringValue));
  }, 0);
}

async function* none(): AsyncGenerator<RedshiftBatch> {
  // Nothing to give.
}
