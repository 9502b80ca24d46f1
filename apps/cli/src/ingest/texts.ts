import type {
  Feed,
  ListFeedsResponse,
  ListRulesResponse,
} from "@hybridge/proto/hybridge/ingest/v1/ingest_control";
import { renderTable } from "../table.ts";

/** Reasons are sentences: they are cut later than other cells. */
const WIDTH_MAX = 120;

export function statusText({ feeds, spool }: ListFeedsResponse): string {
  const columns = ["feed", "state", "posts/s", "posts", "deletions", "duplicates", "unreadable"];
  const rows = feeds.map((feed) => [
    ...[feed.name, feed.state, Math.round(feed.rate), feed.posts, feed.deletions],
    ...[feed.duplicates, feed.unreadable, feed.dropped, lagText(feed), feed.readsLeft ?? null],
    noteText(feed),
  ]);
  const table = renderTable([...columns, "lost", "lag", "reads left", "note"], rows, WIDTH_MAX);
  if (!spool) return table;
  const { depth, bytes, bytesMax } = spool;
  const percent = bytesMax === 0n ? 0 : Number((bytes * 100n) / bytesMax);
  return `${table}\n\nspool ${spool.id}: ${depth} records wait for Kafka; ${percent} % of ${bytesMax} bytes used`;
}

function lagText({ lagMs }: Feed): string {
  return lagMs === undefined ? "" : `${(Number(lagMs) / 1000).toFixed(1)} s`;
}

function noteText({ detail, disconnectedAtMs, disconnectReason }: Feed): string {
  const last =
    disconnectedAtMs === undefined
      ? ""
      : `disconnected ${new Date(Number(disconnectedAtMs)).toISOString()}: ${disconnectReason}`;
  return [detail, last].filter((text) => text !== "").join("; ");
}

export function feedsText({ feeds }: { readonly feeds: readonly string[] }): string {
  return feeds.length === 0 ? "no feeds" : feeds.join(", ");
}

export function rulesText({ rules }: ListRulesResponse): string {
  if (rules.length === 0) return "no rules";
  const rows = rules.map(({ id, tag, value }) => [id, tag, value]);
  return renderTable(["id", "tag", "rule"], rows, WIDTH_MAX);
}
