import type { QueryServiceClient } from "@hybridge/proto/hybridge/query/v1/query_service";
import type { ReconcileResponse } from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import { executeQuery } from "../query-client.ts";
import { formatCount, renderTable } from "../table.ts";

/** The two questions that a run asks when data has arrived on both sides. */
export const sampleQueries = [
  {
    engine: "hive",
    title: "Hive, over all raw data in HDFS: the languages of the posts",
    sql:
      "SELECT lang, COUNT(*) AS posts, COUNT(DISTINCT author_id) AS authors " +
      "FROM tweets GROUP BY lang ORDER BY posts DESC, lang LIMIT 5",
  },
  {
    engine: "redshift",
    title: "Redshift, over the recent posts: who is heard most",
    sql:
      "SELECT author_handle, MAX(author_followers) AS followers, COUNT(*) AS posts " +
      "FROM hybridge.tweets WHERE author_handle IS NOT NULL " +
      "GROUP BY author_handle ORDER BY followers DESC, author_handle LIMIT 5",
  },
] as const;

/** Asks both and returns the text to show. */
export async function answerSamples(
  client: QueryServiceClient,
  signal: AbortSignal,
): Promise<string> {
  const blocks: string[] = [];
  for (const { engine, title, sql } of sampleQueries) {
    const result = await executeQuery(client, { engine, sql, deadlineMs: 60_000, signal });
    const seconds = (result.elapsedMs / 1000).toFixed(2);
    blocks.push(
      `${title}\n  ${sql}\n\n${renderTable(result.columns, result.rows)}\n(${seconds} s)`,
    );
  }
  return blocks.join("\n\n");
}

/** One line about a reconciliation, and a line for each of the first ranges that differ. */
export function describeReconciliation(answer: ReconcileResponse): string {
  const pending =
    answer.pendingRows > 0n ? `, ${formatCount(answer.pendingRows)} rows on their way` : "";
  if (answer.reconciled) {
    const rows = formatCount(answer.externalRows);
    return `Reconciled: HDFS and Redshift hold the same ${rows} rows${pending}`;
  }
  const ranges = answer.differences.slice(0, 10).map((range) => {
    const place = `partition ${range.partition}, offsets ${range.firstOffset}-${range.lastOffset}`;
    return `  ${place}: HDFS ${range.internalRows} rows, Redshift ${range.externalRows} rows`;
  });
  const count = answer.differences.length;
  return [`NOT reconciled: ${count} ranges of source offsets differ${pending}`, ...ranges].join(
    "\n",
  );
}
