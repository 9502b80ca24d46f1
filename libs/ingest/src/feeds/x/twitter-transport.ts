import { Agent as HttpAgent, type ClientRequest } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Readable } from "node:stream";
import { describeError, type Secret } from "@hybridge/core";
import {
  ApiPartialResponseError,
  ApiRequestError,
  ApiResponseError,
  TwitterApi,
  type TweetStream,
} from "twitter-api-v2";
import { XConnectionError } from "./errors.ts";
import { answerError, refusedRules } from "./x-answers.ts";
import type { XRule, XStream, XTransport } from "./x-transport.ts";

/** An app's bearer token, or its key and secret, for which X gives one. */
export type XCredentials =
  | { readonly bearerToken: Secret }
  | { readonly consumerKey: Secret; readonly consumerSecret: Secret };

export interface TwitterTransportOptions {
  /** https://api.x.com; a simulator's in tests. */
  readonly baseUrl: string;
  readonly credentials: XCredentials;
  /** How long an answer may take to begin, 30 s without it. */
  readonly answerMsMax?: number;
}

const ANSWER_MS = 30_000;
/** The most that X lists in a page, and that we send in one. */
const RULES_PER_REQUEST = 1_000;

/** Everything about posts that the readers of libs/tweet look at. */
const STREAM_FIELDS = {
  "tweet.fields":
    "author_id,conversation_id,created_at,edit_history_tweet_ids,entities,geo,in_reply_to_user_id,lang,possibly_sensitive,public_metrics,referenced_tweets,source",
  "user.fields": "created_at,name,public_metrics,username,verified",
  expansions: "author_id,referenced_tweets.id,referenced_tweets.id.author_id",
} as const;

/**
 * X by twitter-api-v2: its authentication, its requests, its errors. The stream is taken out of its
 * hands as soon as there is one: what the package does with it breaks characters between chunks,
 * hears no silence, and knows no back-pressure.
 *
 * Errors of the package hold the request with its Authorization header; none of them leaves here.
 */
export function openTwitterTransport(options: TwitterTransportOptions): XTransport {
  const tokens = bearerTokens(options);
  const request = { prefix: `${options.baseUrl}/2/`, timeout: options.answerMsMax ?? ANSWER_MS };
  const ask = <T>(what: string, signal: AbortSignal, call: (api: TwitterApi) => Promise<T>) =>
    withClient(options, tokens, what, signal, call);
  return {
    listRules: (signal) =>
      ask("the list of rules", signal, async ({ v2 }) => {
        const rules: XRule[] = [];
        let page: string | undefined;
        do {
          const query = { max_results: RULES_PER_REQUEST, pagination_token: page };
          const answer = await v2.get<RulesPage>(RULES, query, request);
          rules.push(...(answer.data ?? []));
          page = answer.meta?.next_token;
        } while (page !== undefined);
        return rules;
      }),
    async addRules(rules, { dryRun }, signal) {
      const query = dryRun ? { dry_run: true } : {};
      for (const some of slices(rules)) {
        const body = { add: some.map(({ value, tag }) => ({ value, tag })) };
        const answer = await ask("new rules", signal, ({ v2 }) =>
          v2.post<unknown>(RULES, body, { ...request, query }),
        );
        const refused = refusedRules(answer);
        if (refused) throw refused;
      }
    },
    async deleteRules(ids, signal) {
      for (const some of slices(ids)) {
        const body = { delete: { ids: some } };
        await ask("the end of rules", signal, ({ v2 }) => v2.post(RULES, body, request));
      }
    },
    openStream: (wanted, signal) => openStream(options, tokens, wanted, signal),
  };
}

const RULES = "tweets/search/stream/rules";

interface RulesPage {
  readonly data?: readonly XRule[];
  readonly meta?: { readonly next_token?: string };
}

async function openStream(
  options: TwitterTransportOptions,
  tokens: BearerTokens,
  { backfillMinutes }: { readonly backfillMinutes: number },
  signal: AbortSignal,
): Promise<XStream> {
  const api = clientOf(await tokens.token(signal), options, signal);
  // The package waits for ever for a server that takes the connection and says nothing.
  const limit = setTimeout(() => api[Symbol.dispose](), options.answerMsMax ?? ANSWER_MS);
  try {
    const backfill = backfillMinutes > 0 ? { backfill_minutes: backfillMinutes } : {};
    const query = { ...STREAM_FIELDS, ...backfill };
    const request = { prefix: `${options.baseUrl}/2/`, autoConnect: false } as const;
    const stream = api.client.v2.getStream("tweets/search/stream", query, request);
    await stream.connect({ autoReconnect: false, keepAliveTimeout: "disable" });
    return takeOver(stream, api, signal);
  } catch (error) {
    api[Symbol.dispose]();
    tokens.refusedBy(error);
    signal.throwIfAborted();
    throw cleaned("the stream", error);
  } finally {
    clearTimeout(limit);
  }
}

/**
 * What the package does with the answer is undone in the turn of the event loop in which it came,
 * before any byte of it was read.
 */
function takeOver(stream: TweetStream, api: Client, signal: AbortSignal): XStream {
  // Both are there once it is connected; the package keeps them to itself.
  const { req, res } = stream as unknown as { readonly req: ClientRequest; readonly res: Readable };
  for (const name of ["data", "error", "close"]) res.removeAllListeners(name);
  req.removeAllListeners("error").on("error", () => undefined);
  res.on("error", () => undefined).pause();
  return {
    chunks: bytesOf(res, signal),
    close: () => {
      res.destroy();
      api[Symbol.dispose]();
    },
  };
}

async function* bytesOf(res: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of res) yield chunk as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    throw cleaned("more of the stream", error);
  }
}

/** One request, or several that belong together, on a connection of their own. */
async function withClient<T>(
  options: TwitterTransportOptions,
  tokens: BearerTokens,
  what: string,
  signal: AbortSignal,
  call: (api: TwitterApi) => Promise<T>,
): Promise<T> {
  using api = clientOf(await tokens.token(signal), options, signal);
  try {
    return await call(api.client);
  } catch (error) {
    tokens.refusedBy(error);
    signal.throwIfAborted();
    throw cleaned(what, error);
  }
}

interface Client extends Disposable {
  readonly client: TwitterApi;
}

/** The package takes no signal; whoever ends its agent ends its requests. */
function clientOf(
  token: string | { username: string; password: string },
  { baseUrl }: TwitterTransportOptions,
  signal: AbortSignal,
): Client {
  // It asks by https whatever the URL says, unless the agent is one of http.
  const agent = baseUrl.startsWith("http:") ? new HttpAgent() : new HttpsAgent();
  const stop = () => agent.destroy();
  signal.addEventListener("abort", stop, { once: true });
  const settings = { httpAgent: agent, compression: "identity" as const };
  return {
    client:
      typeof token === "string" ? new TwitterApi(token, settings) : new TwitterApi(token, settings),
    [Symbol.dispose]() {
      signal.removeEventListener("abort", stop);
      agent.destroy();
    },
  };
}

interface BearerTokens {
  token(signal: AbortSignal): Promise<string>;
  /** A token that X no longer takes is asked for anew next time. */
  refusedBy(error: unknown): void;
}

/**
 * The token as it was given, read again at each use; or the one that X gives for the app's key and
 * secret (POST /oauth2/token), kept until X refuses it.
 */
function bearerTokens(options: TwitterTransportOptions): BearerTokens {
  const { credentials } = options;
  if ("bearerToken" in credentials) {
    return {
      token: () => Promise.resolve(credentials.bearerToken.value()),
      refusedBy: () => undefined,
    };
  }
  let known: string | undefined;
  return {
    async token(signal) {
      known ??= await exchange(credentials, options, signal);
      return known;
    },
    refusedBy(error) {
      if (error instanceof ApiResponseError && error.code === 401) known = undefined;
    },
  };
}

async function exchange(
  keys: Extract<XCredentials, { readonly consumerKey: Secret }>,
  options: TwitterTransportOptions,
  signal: AbortSignal,
): Promise<string> {
  const basic = { username: keys.consumerKey.value(), password: keys.consumerSecret.value() };
  using api = clientOf(basic, options, signal);
  try {
    const body = { grant_type: "client_credentials" };
    const request = { prefix: `${options.baseUrl}/`, timeout: options.answerMsMax ?? ANSWER_MS };
    const answer = await api.client.post<{ access_token: string }>("oauth2/token", body, request);
    return answer.access_token;
  } catch (error) {
    signal.throwIfAborted();
    throw cleaned("a bearer token", error);
  }
}

/** Ours instead of the package's: nothing in it holds the request. */
function cleaned(what: string, error: unknown): Error {
  if (error instanceof ApiResponseError) {
    const { code: status, headers, data } = error;
    const refused = what === "new rules" && status < 429 ? refusedRules(data) : undefined;
    return refused ?? answerError(what, { status, headers, body: data });
  }
  const cause = causeOf(error);
  return new XConnectionError(
    `X did not answer when it was asked for ${what}: ${describeError(cause)}; check the network`,
    { cause },
  );
}

/** What the package met. The getter that is for it reads a name that is not set (1.29.1). */
function causeOf(error: unknown): unknown {
  if (error instanceof ApiPartialResponseError) return error.responseError;
  if (!(error instanceof ApiRequestError)) return error;
  const { _options: options } = error as unknown as {
    readonly _options: { readonly error: Error };
  };
  return options.error;
}

function* slices<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += RULES_PER_REQUEST) {
    yield all.slice(at, at + RULES_PER_REQUEST);
  }
}
