import { join } from "node:path";
import { ConfigError, systemClock, type Emit } from "@hybridge/core";
import { openPush, openReplay, type Feed, type Spool, type TopicSeen } from "@hybridge/ingest";
import { openBlueskyFeed, openWebSocketTransport } from "@hybridge/ingest/bluesky";
import {
  compileRules,
  openTwitterTransport,
  openXFeed,
  readsFile,
  xPlans,
  type XCredentials,
} from "@hybridge/ingest/x";
import type { FeedName, IngestConfig } from "./config.ts";

/** What the feeds of a process have in common. */
export interface FeedSurroundings {
  readonly config: IngestConfig;
  readonly spool: Spool;
  readonly topicSeen: TopicSeen;
  readonly emit: Emit;
}

/**
 * Constructs the feeds that are chosen.
 *
 * @throws ConfigError when one lacks a setting, or what is wanted of a source cannot be
 */
export async function openFeeds(surroundings: FeedSurroundings): Promise<Feed[]> {
  const { HYBRIDGE_FEEDS: names } = surroundings.config;
  return await Promise.all(names.map(async (name) => constructors[name](surroundings)));
}

const constructors: Readonly<
  Record<FeedName, (surroundings: FeedSurroundings) => Feed | Promise<Feed>>
> = { replay, bluesky, x, push };

function replay({ config, spool, topicSeen, emit }: FeedSurroundings): Promise<Feed> {
  return openReplay({
    files: config.HYBRIDGE_REPLAY_FILES,
    next: config.HYBRIDGE_REPLAY_NEXT,
    stdin: process.stdin,
    posts: config.HYBRIDGE_REPLAY_POSTS,
    rate: config.HYBRIDGE_REPLAY_RATE,
    seed: config.HYBRIDGE_REPLAY_SEED,
    epochMs: Date.parse(config.HYBRIDGE_REPLAY_EPOCH),
    postBytesMax: config.HYBRIDGE_POST_BYTES_MAX,
    lastsInTopic: (signal) => topicSeen.lasts(signal),
    partitions: () => spool.acknowledged()?.partitions ?? 0,
    emit,
    clock: systemClock,
  });
}

function bluesky({ config, emit }: FeedSurroundings): Feed {
  const frameBytesMax = config.HYBRIDGE_POST_BYTES_MAX;
  return openBlueskyFeed(
    {
      transport: openWebSocketTransport({ apiUrl: config.HYBRIDGE_BLUESKY_API_URL, frameBytesMax }),
      endpoints: config.HYBRIDGE_BLUESKY_ENDPOINTS,
      keywords: config.HYBRIDGE_BLUESKY_KEYWORDS,
      languages: config.HYBRIDGE_BLUESKY_LANGUAGES,
      authors: config.HYBRIDGE_BLUESKY_AUTHORS,
      frameBytesMax,
    },
    { emit, clock: systemClock, random: Math.random },
  );
}

function x({ config, emit }: FeedSurroundings): Feed {
  const plan = xPlans[config.HYBRIDGE_X_PLAN];
  const wanted = {
    keywords: config.HYBRIDGE_X_KEYWORDS,
    users: config.HYBRIDGE_X_USERS,
    languages: config.HYBRIDGE_X_LANGUAGES,
    rules: config.HYBRIDGE_X_RULES,
  };
  const credentials = credentialsOf(config);
  return openXFeed(
    {
      transport: openTwitterTransport({ baseUrl: config.HYBRIDGE_X_URL, credentials }),
      plan,
      rules: compileRules(wanted, plan),
      tag: config.HYBRIDGE_X_TAG,
      readsMax: config.HYBRIDGE_X_READS_MAX,
      readsResetDay: config.HYBRIDGE_X_READS_RESET_DAY,
      readsStore: readsFile(join(config.HYBRIDGE_SPOOL_DIR, "x-reads.json")),
      lineBytesMax: config.HYBRIDGE_POST_BYTES_MAX,
    },
    { emit, clock: systemClock, random: Math.random },
  );
}

function credentialsOf(config: IngestConfig): XCredentials {
  const bearerToken = config.HYBRIDGE_X_BEARER_TOKEN;
  if (bearerToken !== undefined) return { bearerToken };
  const consumerKey = config.HYBRIDGE_X_CONSUMER_KEY;
  const consumerSecret = config.HYBRIDGE_X_CONSUMER_SECRET;
  if (consumerKey !== undefined && consumerSecret !== undefined) {
    return { consumerKey, consumerSecret };
  }
  throw new ConfigError(
    "the feed x needs HYBRIDGE_X_BEARER_TOKEN, or HYBRIDGE_X_CONSUMER_KEY and HYBRIDGE_X_CONSUMER_SECRET",
  );
}

function push({ config, emit }: FeedSurroundings): Feed {
  const token = config.HYBRIDGE_PUSH_TOKEN;
  if (token === undefined) {
    throw new ConfigError(
      "the feed push takes posts from whoever has a token: set HYBRIDGE_PUSH_TOKEN",
    );
  }
  return openPush({
    host: config.HYBRIDGE_PUSH_HOST,
    port: config.HYBRIDGE_PUSH_PORT,
    token: () => token.value(),
    bodyBytesMax: config.HYBRIDGE_PUSH_BYTES_MAX,
    postBytesMax: config.HYBRIDGE_POST_BYTES_MAX,
    emit,
  });
}
