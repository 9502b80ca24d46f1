import type { QueryServiceClient } from "@hybridge/proto/hybridge/query/v1/query_service";
import type {
  Lack,
  ReconcileResponse,
} from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
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

/** Reasons and ranges that are shown; the gateway has all. */
const LINES_MAX = 10;

/**
 * One line about a reconciliation; behind it what each side lacks, the first ranges that differ and
 * the first reasons. It says no more than was compared.
 */
export function describeReconciliation(answer: ReconcileResponse): string {
  const rows = formatCount(answer.externalRows);
  if (answer.reconciled) return `Reconciled: HDFS and Redshift hold the same ${rows} rows`;
  if (answer.differences.length > 0) {
    const ranges = answer.differences.map((range) => {
      const place = `partition ${range.partition}, offsets ${range.firstOffset}-${range.lastOffset}`;
      return `${place}: HDFS ${range.internalRows} rows, Redshift ${range.externalRows} rows`;
    });
    const headline = `NOT reconciled: ${ranges.length} ranges of source offsets differ`;
    return linesOf(headline, [...ranges.slice(0, LINES_MAX), ...answer.reasons]);
  }
  const lacks = [
    lackOf("Hive", answer.internalLack),
    lackOf("Redshift", answer.externalLack),
  ].filter((text) => text !== undefined);
  const headline = answer.comparedEqual
    ? `The ${rows} rows that both sides show are the same`
    : "NOT reconciled";
  if (lacks.length === 0)
    return linesOf(`${headline}; not everything was compared`, answer.reasons);
  return `${headline}; ${lacks.join(", ")}`;
}

function linesOf(headline: string, lines: readonly string[]): string {
  return [headline, ...lines.slice(0, LINES_MAX).map((line) => `  ${line}`)].join("\n");
}

function lackOf(side: string, lack: Lack | undefined): string | undefined {
  if (lack === undefined || lack.records === 0n) return undefined;
  const most = lack.exact ? "" : "up to ";
  const since = lack.sinceKnown
    ? ` since ${new Date(Number(lack.sinceMs)).toISOString().slice(0, 19)}Z`
    : "";
  return `${side} lacks ${most}${formatCount(lack.records)}${since}`;
}
