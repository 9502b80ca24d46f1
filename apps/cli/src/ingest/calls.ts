import type {
  ChangeRulesResponse,
  IngestControlClient,
  ListFeedsResponse,
  ListRulesResponse,
  PauseResponse,
  Rule,
} from "@hybridge/proto/hybridge/ingest/v1/ingest_control";
import { callUnary } from "@hybridge/rpc";

const DEADLINE_MS = 10_000;
/** A source is asked, and may make one wait. */
const RULES_MS = 60_000;

type Client = IngestControlClient;

export function readStatus(client: Client, signal: AbortSignal): Promise<ListFeedsResponse> {
  return callUnary(client.listFeeds.bind(client), {}, { deadlineMs: DEADLINE_MS, signal });
}

export function pause(feeds: string[]) {
  return (client: Client, signal: AbortSignal): Promise<PauseResponse> =>
    callUnary(client.pause.bind(client), { feeds }, { deadlineMs: DEADLINE_MS, signal });
}

export function resume(feeds: string[]) {
  return (client: Client, signal: AbortSignal): Promise<PauseResponse> =>
    callUnary(client.resume.bind(client), { feeds }, { deadlineMs: DEADLINE_MS, signal });
}

export function listRules(feed: string) {
  return (client: Client, signal: AbortSignal): Promise<ListRulesResponse> =>
    callUnary(client.listRules.bind(client), { feed }, { deadlineMs: RULES_MS, signal });
}

export function changeRules(feed: string, add: Rule[], remove: string[]) {
  return (client: Client, signal: AbortSignal): Promise<ChangeRulesResponse> => {
    const request = { feed, add, remove };
    return callUnary(client.changeRules.bind(client), request, { deadlineMs: RULES_MS, signal });
  };
}
