import {
  Side,
  TweetServiceService,
  type CountTweetsRequest,
  type CountTweetsResponse,
  type TweetServiceServer,
} from "@hybridge/proto/hybridge/tweets/v1/tweet_service";
import { countTweetsSql, prepareSql } from "@hybridge/query";
import { unary, type Call } from "@hybridge/rpc";
import { UnexpectedResultError } from "../errors.ts";
import { collectRows, integerOf } from "../rows.ts";
import type { Engines } from "./execute.ts";
import { limitsOf, type TimeLimit } from "./time-limit.ts";

export interface TweetServiceOptions {
  readonly engines: Engines;
  readonly time: TimeLimit;
  readonly tables: {
    readonly hive: string;
    readonly redshift: string;
    readonly redshiftDeletions: string;
  };
}

export function tweetService(options: TweetServiceOptions) {
  const implementation: TweetServiceServer = {
    countTweets: unary((request, call) => countTweets(request, call, options)),
  };
  return { definition: TweetServiceService, implementation };
}

async function countTweets(
  request: CountTweetsRequest,
  call: Call,
  { engines, time, tables }: TweetServiceOptions,
): Promise<CountTweetsResponse> {
  // The internal side holds everything; the external one may hold only what is recent.
  const side = request.side === Side.EXTERNAL ? Side.EXTERNAL : Side.INTERNAL;
  const name = side === Side.EXTERNAL ? "redshift" : "hive";
  const counted = {
    hive: { posts: tables.hive },
    redshift: { posts: tables.redshift, deletions: tables.redshiftDeletions },
  };
  const { sql, parameters } = countTweetsSql(name, counted[name], request);
  const prepared = await prepareSql(name, sql, parameters);
  const engine = engines.get(name);
  if (!engine) throw new UnexpectedResultError(`there is no engine ${name}`);
  let count = 0n;
  for await (const result of engine.query(prepared, limitsOf(call, time))) {
    const [row] = await collectRows(result, 1);
    count = integerOf(row?.[0]);
  }
  return { count, side };
}
