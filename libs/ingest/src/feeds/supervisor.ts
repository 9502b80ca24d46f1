import {
  Backoff,
  describeError,
  HybridgeError,
  Notifier,
  RateMeter,
  retryOf,
  type Emit,
  type MonotonicClock,
} from "@hybridge/core";
import { feedFailed, feedPaused } from "../events.ts";
import { sumOf, type Counts } from "../tally.ts";
import type { Feed, FeedStatus } from "./feed.ts";
import type { Sink } from "./sink.ts";

/** Somebody named a feed that this process does not run. */
export class UnknownFeedError extends HybridgeError {
  readonly code = "INGEST_UNKNOWN_FEED";
  override readonly kind = "invalid";
  readonly retry = "never";
}

/** What a feed does, and what became of what it read. */
export interface FeedReport extends Omit<FeedStatus, "state"> {
  readonly name: string;
  readonly source: string;
  readonly state: FeedStatus["state"] | "PAUSED" | "FAILED";
  /** Records per second that were kept, over the last few seconds. */
  readonly rate: number;
  readonly counts: Counts;
  /** Items lost because the spool was full. */
  readonly dropped: number;
  readonly hasRules: boolean;
}

/** A feed with the sink that is made for it. */
export interface FeedWithSink {
  readonly feed: Feed;
  readonly sink: Sink;
  /** Counts what was kept. */
  readonly meter: RateMeter;
}

interface Member extends FeedWithSink {
  isPaused: boolean;
  failure: { readonly error: unknown } | undefined;
  stop: AbortController;
}

export interface SupervisorOptions {
  readonly feeds: readonly FeedWithSink[];
  readonly emit: Emit;
  readonly clock: MonotonicClock;
}

/** Runs feeds side by side, each again when it fails, and lets people pause them. */
export class FeedSupervisor {
  readonly #members: readonly Member[];
  readonly #options: SupervisorOptions;
  readonly #changed = new Notifier();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#members = options.feeds.map((each) => ({
      ...each,
      isPaused: false,
      failure: undefined,
      stop: new AbortController(),
    }));
  }

  /**
   * Runs all feeds until each has ended.
   *
   * @throws what made the spool unusable; or, when no feed is left, what ended one for good
   */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#runMember(member, signal)));
    const failed = this.#members.find(({ failure }) => failure)?.failure;
    if (failed) throw failed.error;
  }

  feeds(): readonly FeedReport[] {
    return this.#members.map(reportOn);
  }

  counts(): Counts {
    return sumOf(this.#members.flatMap(({ sink }) => sink.counts()));
  }

  /** @throws UnknownFeedError */
  feed(name: string): Feed {
    return this.#member(name).feed;
  }

  /** Stops a feed until it is resumed; what it appended stays. @throws UnknownFeedError */
  pause(name: string): void {
    const member = this.#member(name);
    if (member.isPaused) return;
    member.isPaused = true;
    this.#options.emit(feedPaused(name, true));
    member.stop.abort(new DOMException(`the feed ${name} was paused`, "AbortError"));
  }

  /** @throws UnknownFeedError */
  resume(name: string): void {
    const member = this.#member(name);
    if (!member.isPaused) return;
    member.isPaused = false;
    this.#options.emit(feedPaused(name, false));
    this.#changed.notify();
  }

  #member(name: string): Member {
    const member = this.#members.find(({ feed }) => feed.name === name);
    if (member) return member;
    const names = this.#members.map(({ feed }) => feed.name).join(", ");
    throw new UnknownFeedError(`there is no feed ${name} here; there are: ${names}`);
  }

  async #runMember(member: Member, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const backoff = new Backoff({ baseMs: 250, maxMs: 30_000 });
    for (;;) {
      while (member.isPaused) {
        signal.throwIfAborted();
        await this.#changed.wait(signal);
      }
      signal.throwIfAborted();
      const before = member.meter.total;
      const outcome = await this.#runOnce(member, signal);
      if (outcome === "ended") return;
      if (outcome === "paused") continue;
      if (member.meter.total > before) backoff.reset();
      const waitMs = backoff.failed();
      this.#options.emit(feedFailed(member.feed.name, outcome.error, waitMs));
      if (retryOf(outcome.error) === "never") {
        member.failure = outcome;
        return;
      }
      await clock.sleep(waitMs, signal);
    }
  }

  async #runOnce(member: Member, signal: AbortSignal) {
    const { feed, sink } = member;
    const stop = new AbortController();
    member.stop = stop;
    const own = AbortSignal.any([signal, stop.signal]);
    try {
      if (member.isPaused) return "paused";
      await feed.run(sink, own);
      signal.throwIfAborted();
      return stop.signal.aborted ? "paused" : "ended";
    } catch (error) {
      signal.throwIfAborted();
      const failure = sink.failure();
      if (failure) throw failure.error;
      return stop.signal.aborted ? "paused" : { error };
    }
  }
}

function reportOn({ feed, sink, meter, isPaused, failure }: Member): FeedReport {
  const status = feed.status();
  return {
    ...status,
    name: feed.name,
    source: feed.source,
    state: failure ? "FAILED" : isPaused ? "PAUSED" : status.state,
    detail: failure ? describeError(failure.error) : isPaused ? "" : status.detail,
    rate: meter.rate(),
    counts: sumOf(sink.counts()),
    dropped: sink.dropped(),
    hasRules: feed.rules !== undefined,
  };
}
