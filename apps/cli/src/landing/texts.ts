import type {
  FlushResponse,
  ListGapsResponse,
  ListLoadsResponse,
  ListPartitionsResponse,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_control";
import { renderTable } from "../table.ts";

/** Reasons are sentences: they are cut later than other cells. */
const WIDTH_MAX = 120;

export function statusText(answer: ListPartitionsResponse): string {
  const head = `log ${answer.log}, ${answer.commits} commits, membership ${answer.membership}`;
  if (answer.partitions.length === 0) return `${head}\nno partitions`;
  const columns = ["partition", "state", "landed", "queryable", "read", "end", "lag", "reason"];
  const rows = answer.partitions.map((each) => [
    each.partition,
    each.state,
    each.landedOffset,
    each.queryableOffset,
    each.readOffset,
    each.endOffset,
    each.lag,
    each.reason,
  ]);
  return `${head}\n${renderTable(columns, rows, WIDTH_MAX)}`;
}

export function flushText({ commits }: FlushResponse): string {
  return `landed; the log has ${commits} commits`;
}

export function partitionsText({ partitions }: { readonly partitions: readonly number[] }): string {
  return partitions.length === 0 ? "nothing to do" : `partitions ${partitions.join(", ")}`;
}

export function gapsText({ gaps }: ListGapsResponse): string {
  if (gaps.length === 0) return "no gaps";
  const columns = ["topic", "partition", "from", "to", "why", "when", "commit", "what"];
  const rows = gaps.map((gap) => [
    gap.topic,
    gap.partition,
    gap.fromOffset,
    gap.toOffset,
    gap.why,
    timeText(gap.atMs),
    gap.commit,
    gap.what,
  ]);
  return renderTable(columns, rows, WIDTH_MAX);
}

export function loadsText(answer: ListLoadsResponse): string {
  const seen = answer.commit < 0n ? "an unknown commit" : `commit ${answer.commit}`;
  const lines = [`${answer.catalog} shows everything up to ${seen} of ${answer.commits}`];
  if (answer.reason !== "") lines.push(`it does not go on: ${answer.reason}`);
  if (!answer.leading) lines.push("another process lets it follow");
  if (answer.loads.length === 0) return lines.join("\n");
  const rows = answer.loads.map((load) => [load.afterCommit, load.toCommit, timeText(load.atMs)]);
  return [...lines, renderTable(["after", "to", "when"], rows)].join("\n");
}

function timeText(ms: bigint): string {
  return new Date(Number(ms)).toISOString();
}
