import { countRecords } from "@hybridge/kafka";
import type { IngestServiceClient } from "@hybridge/proto/hybridge/ingest/v1/ingest_service";
import type { QueryServiceClient } from "@hybridge/proto/hybridge/query/v1/query_service";
import type { ReconcileServiceClient } from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import { Side, type TweetServiceClient } from "@hybridge/proto/hybridge/tweets/v1/tweet_service";
import { callUnary } from "@hybridge/rpc";
import { type Cell, executeQuery } from "../query-client.ts";
import { countLandedRows } from "./s3-rows.ts";
import { bucket, type RunCloud, type RunPlan } from "./plan.ts";
import { adminCluster } from "./secured.ts";

/** How many posts each place holds, by asking the place itself. */
export interface Counts {
  readonly ingested: number;
  readonly source: number;
  readonly target: number;
  readonly hive: number;
  readonly s3: number;
  readonly redshift: number;
  /**
   * Different ids among the posts, where both warehouses agree; -1 where they do not. Of live posts
   * only those that nobody has deleted.
   */
  readonly distinctIds: number;
  readonly reconciled: boolean;
}

export interface ReadBackOptions {
  readonly plan: RunPlan;
  readonly cloud: RunCloud;
  readonly ingest: IngestServiceClient;
  readonly query: QueryServiceClient;
  readonly reconcile: ReconcileServiceClient;
  readonly tweets: TweetServiceClient;
  readonly signal: AbortSignal;
}

const DEADLINE_MS = 120_000;

/** Counts the posts in all places: Kafka's batches, the files in S3, and SQL on both engines. */
export async function readBack(options: ReadBackOptions): Promise<Counts> {
  const { signal } = options;
  const { topic, live } = options.plan;
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
    // An edit is a row of its own there.
    redshift: live ? redshift.ids : redshift.rows,
    distinctIds: live ? await countPosts(options) : hive.ids === redshift.ids ? hive.ids : -1,
    reconciled: answer.reconciled,
  };
}

/**
 * True when every place holds exactly the wanted records and the sides were reconciled. Of live
 * posts some are edited and deleted: the history keeps those records, and Redshift has each post
 * that is left once, as many as Hive finds in the history.
 */
export function allAgree(counts: Counts, { posts, live }: RunPlan): boolean {
  const { reconciled, redshift, distinctIds, ...records } = counts;
  const isLeft = live
    ? redshift === distinctIds && redshift > 0 && redshift <= posts
    : redshift === posts && distinctIds === posts;
  return reconciled && isLeft && Object.values(records).every((number) => number === posts);
}

/** Posts that are not deleted, where both warehouses count as many; -1 where they do not. */
async function countPosts({ tweets, signal }: ReadBackOptions): Promise<number> {
  const method = tweets.countTweets.bind(tweets);
  const call = { deadlineMs: DEADLINE_MS, signal };
  const all = { lang: "", hashtag: "", createdFrom: "", createdTo: "" };
  const internal = await callUnary(method, { ...all, side: Side.INTERNAL }, call);
  const external = await callUnary(method, { ...all, side: Side.EXTERNAL }, call);
  return internal.count === external.count ? Number(internal.count) : -1;
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
