import { RateMeter, systemClock, type MonotonicClock } from "@hybridge/core";
import { itemsDropped, sourceRead } from "./events.ts";
import type { Feed } from "./feeds/feed.ts";
import { openSink } from "./feeds/sink.ts";
import { FeedSupervisor } from "./feeds/supervisor.ts";
import type { SessionOptions } from "./publisher/session.ts";
import type { TopicSeen } from "./publisher/topic-seen.ts";
import { runSessions } from "./run.ts";
import type { StatusBoard } from "./status.ts";

export interface IngestOptions extends Omit<SessionOptions, "onTopic"> {
  readonly feeds: readonly Feed[];
  readonly topicSeen: TopicSeen;
  /** A larger post is a dead letter. */
  readonly postBytesMax: number;
  readonly clock?: MonotonicClock;
}

/** Feeds, spool and publisher, put together. */
export interface Ingest {
  readonly feeds: FeedSupervisor;
  readonly status: StatusBoard;
  /**
   * Resolves when every feed has ended and everything that was accepted is settled.
   *
   * @throws what no further try can cure, for example FencedError: another ingest owns the spool
   */
  run(signal: AbortSignal): Promise<void>;
}

export function openIngest(options: IngestOptions): Ingest {
  const { spool, deadLetters, status, emit, topic, topicSeen, postBytesMax } = options;
  const withSinks = options.feeds.map((feed) => {
    const meter = new RateMeter();
    const sink = openSink(feed, {
      spool,
      deadLetters,
      postBytesMax,
      onKept: (records) => meter.add(records),
      onDropped: (items) => emit(itemsDropped(feed.name, items)),
    });
    return { feed, sink, meter };
  });
  const clock = options.clock ?? systemClock;
  const feeds = new FeedSupervisor({
    feeds: withSinks,
    clock,
    emit(event) {
      emit(event);
      if (event.name === "feed.failed") status.become("DEGRADED", event.message);
    },
  });
  status.attach({ read: () => feeds.counts(), spool });
  return {
    feeds,
    status,
    async run(signal) {
      signal.addEventListener("abort", () => status.become("STOPPING"), { once: true });
      const failed = new AbortController();
      const own = AbortSignal.any([signal, failed.signal]);
      const onTopic = topicSeen.offer.bind(topicSeen);
      const both = [
        feeds.run(own).then(() => spool.finish()),
        runSessions({ ...options, onTopic }, own),
      ];
      try {
        await Promise.all(both);
      } catch (error) {
        failed.abort(error);
        await Promise.allSettled(both);
        throw error;
      }
      const { read, acknowledged } = status.read();
      emit(sourceRead(topic, read));
      const had = acknowledged === 0 && read.posts + read.deletions > 0;
      status.become(
        "DONE",
        had ? "the topic had all posts before" : "all posts of the feeds are in the topic",
      );
    },
  };
}
