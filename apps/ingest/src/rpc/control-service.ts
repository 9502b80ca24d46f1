import type { Feed as SourceFeed, FeedReport, FeedSupervisor, StatusBoard } from "@hybridge/ingest";
import { UnknownFeedError } from "@hybridge/ingest";
import {
  IngestControlService,
  type ChangeRulesRequest,
  type ChangeRulesResponse,
  type Feed,
  type IngestControlServer,
  type ListFeedsRequest,
  type ListFeedsResponse,
  type ListRulesRequest,
  type ListRulesResponse,
  type PauseRequest,
  type PauseResponse,
  type ResumeRequest,
  type ResumeResponse,
  type Rule,
} from "@hybridge/proto/hybridge/ingest/v1/ingest_control";
import { unary } from "@hybridge/rpc";

/** hybridge.ingest.v1.IngestControl over the feeds of this process. */
export function controlService(status: StatusBoard, feeds: FeedSupervisor, spoolId: string) {
  const chosen = (names: readonly string[]) =>
    names.length > 0 ? names : feeds.feeds().map(({ name }) => name);
  const implementation: IngestControlServer = {
    listFeeds: unary<ListFeedsRequest, ListFeedsResponse>(() => {
      const { spooled, spoolBytes, spoolBytesMax } = status.read();
      const spool = {
        id: spoolId,
        depth: BigInt(spooled),
        bytes: BigInt(spoolBytes),
        bytesMax: BigInt(spoolBytesMax),
      };
      return Promise.resolve({ feeds: feeds.feeds().map(feedOf), spool });
    }),
    pause: unary<PauseRequest, PauseResponse>((request) => {
      for (const name of request.feeds) feeds.feed(name);
      for (const name of chosen(request.feeds)) feeds.pause(name);
      const paused = feeds.feeds().filter(({ state }) => state === "PAUSED");
      return Promise.resolve({ feeds: paused.map(({ name }) => name) });
    }),
    resume: unary<ResumeRequest, ResumeResponse>((request) => {
      for (const name of request.feeds) feeds.feed(name);
      for (const name of chosen(request.feeds)) feeds.resume(name);
      const going = feeds.feeds().filter(({ state }) => state !== "PAUSED");
      return Promise.resolve({ feeds: going.map(({ name }) => name) });
    }),
    listRules: unary<ListRulesRequest, ListRulesResponse>(async ({ feed }, { signal }) => {
      return { rules: [...(await rulesOf(feeds.feed(feed)).list(signal))] };
    }),
    changeRules: unary<ChangeRulesRequest, ChangeRulesResponse>(
      async ({ feed, add, remove }, { signal }) => {
        const change = { add: add.map(({ value, tag }: Rule) => ({ value, tag })), remove };
        return { rules: [...(await rulesOf(feeds.feed(feed)).change(change, signal))] };
      },
    ),
  };
  return { definition: IngestControlService, implementation };
}

function rulesOf({ name, rules }: SourceFeed) {
  if (rules) return rules;
  throw new UnknownFeedError(`the source of the feed ${name} does not filter by rules`);
}

function feedOf(report: FeedReport): Feed {
  const { counts, lagMs, readsLeft, lastDisconnect } = report;
  return {
    name: report.name,
    source: report.source,
    state: report.state,
    detail: report.detail,
    rate: report.rate,
    lagMs: whole(lagMs),
    readsLeft: whole(readsLeft),
    disconnectedAtMs: whole(lastDisconnect?.atMs),
    disconnectReason: lastDisconnect?.reason ?? "",
    posts: BigInt(counts.posts),
    deletions: BigInt(counts.deletions),
    duplicates: BigInt(counts.duplicates),
    unreadable: BigInt(counts.unreadable),
    dropped: BigInt(report.dropped),
    hasRules: report.hasRules,
  };
}

function whole(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(Math.round(value));
}
