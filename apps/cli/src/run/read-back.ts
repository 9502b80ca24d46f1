import { countRecords } from "@hybridge/kafka";
import type { IngestServiceClient } from "@hybridge/proto/hybridge/ingest/v1/ingest_service";
import type { QueryServiceClient } from "@hybridge/proto/hybridge/query/v1/query_service";
import type { ReconcileServiceClient } from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import { callUnary } from "@hybridge/rpc";
import { type Cell, executeQuery } from "../query-client.ts";
import { countLandedRows } from "./s3-rows.ts";
import { bucket, type RunCloud } from "./plan.ts";
import { adminCluster } from "./secured.ts";

/** How many posts each place holds, by asking the place itself. */
export interface Counts {
  readonly ingested: number;
  readonly source: number;
  readonly target: number;
  readonly hive: number;
  readonly s3: number;
  readonly redshift: number;
  /** Different ids among the posts, where both warehouses agree; -1 where they do not. */
  readonly distinctIds: number;
  readonly reconciled: boolean;
}

export interface ReadBackOptions {
  readonly topic: string;
  readonly cloud: RunCloud;
  readonly ingest: IngestServiceClient;
  readonly query: QueryServiceClient;
  readonly reconcile: ReconcileServiceClient;
  readonly signal: AbortSignal;
}

const DEADLINE_MS = 120_000;

/** Counts the posts in all places: Kafka's batches, the files in S3, and SQL on both engines. */
export async function readBack(options: ReadBackOptions): Promise<Counts> {
  const { topic, signal } = options;
  const { addresses, security } = options.cloud;
  const call = { deadlineMs: DEADLINE_MS, signal };
  const { ingest, reconcile } = options;
  const status = await callUnary(ingest.getStatus.bind(ingest), {}, call);
  const source = await countRecords(adminCluster(addresses.source, security), topic, signal);
  const target = await countRecords(adminCluster(addresses.target, security), topic, signal);
  const hive = await countAndIds(options, "hive", "tweets");
  const redshift = await countAndIds(options, "redshift", "hybridge.tweets");
  const s3 = await countLandedRows({ endpoint: addresses.s3, bucket, signal });
  const request = { topic, rangeSize: 0n, sinceMs: 0n };
  const answer = await callUnary(reconcile.reconcile.bind(reconcile), request, call);
  return {
    ingested: Number(status.total),
    source: Number(source),
    target: Number(target),
    hive: hive.rows,
    s3,
    redshift: redshift.rows,
    distinctIds: hive.ids === redshift.ids ? hive.ids : -1,
    reconciled: answer.reconciled,
  };
}

/** True when every place holds exactly `posts` different posts and the sides were reconciled. */
export function allAgree(counts: Counts, posts: number): boolean {
  const { reconciled, ...numbers } = counts;
  return reconciled && Object.values(numbers).every((number) => number === posts);
}

async function countAndIds(
  options: ReadBackOptions,
  engine: "hive" | "redshift",
  table: string,
): Promise<{ rows: number; ids: number }> {
  const sql = `SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids FROM ${table}`;
  const { query, signal } = options;
  const result = await executeQuery(query, { engine, sql, deadlineMs: DEADLINE_MS, signal });
  const [rows, ids] = result.rows[0] ?? [];
  return { rows: numberOf(rows), ids: numberOf(ids) };
}

function numberOf(cell: Cell | undefined): number {
  return typeof cell === "bigint" || typeof cell === "number" ? Number(cell) : -1;
}
