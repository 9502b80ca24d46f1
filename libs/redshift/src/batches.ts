import type { RedshiftBatch, RedshiftResult } from "./api.ts";
import { batchOf, columnOf, type ColumnMetadata } from "./columns.ts";
import { requestError } from "./failures.ts";
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
  try {
    return await readResultPage(client, statementId, token, within(signal, timeouts.answerMs));
  } catch (error) {
    signal.throwIfAborted();
    throw requestError(`${address}: read the result of statement ${statementId}`, error);
  }
}

async function* none(): AsyncGenerator<RedshiftBatch> {
  // Nothing to give.
}
