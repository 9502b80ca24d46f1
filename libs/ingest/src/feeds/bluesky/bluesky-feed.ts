import { Backoff, describeError } from "@hybridge/core";
import { z } from "zod";
import type { Feed, FeedItem, FeedSink, FeedStatus, FeedTools } from "../feed.ts";
import { watchSilence } from "../silence.ts";
import { jetstreamEnded, cursorUnknown, rangeLost } from "./bluesky-events.ts";
import { JetstreamConnectionError, JetstreamRefusedError } from "./errors.ts";
import { readFrame, type Frame } from "./frames.ts";
import type { JetstreamTransport } from "./jetstream-transport.ts";
import { postFilter, type BlueskyFilter } from "./post-filter.ts";
import {
  checkAuthors,
  startAt,
  startByTime,
  subscriptionUrl,
  type JetstreamCursor,
  type Start,
  type Wanted,
} from "./subscription.ts";

export interface BlueskyFeedOptions extends BlueskyFilter {
  readonly transport: JetstreamTransport;
  /** Instances of Jetstream, wss://..., tried in turn. */
  readonly endpoints: readonly string[];
  /** Handles or DIDs; none: everybody. */
  readonly authors: readonly string[];
  /** Larger events are not sent. */
  readonly frameBytesMax: number;
}

/** Jetstream pings every 30 s. */
const SILENCE_MS = 75_000;
/** A connection that lasted so long was one: the back-off begins anew, and the instance is kept. */
const ESTABLISHED_MS = 30_000;
const WAIT_MS = 1_000;
const WAIT_MS_MAX = 60_000;
/** While nothing is wanted, the cursor moves this often. */
const CURSOR_MS = 1_000;

const cursorShape = z.object({ endpoint: z.string(), seq: z.int(), timeMs: z.number() });

/**
 * Bluesky's posts from Jetstream, as a feed. New posts are filtered here; edits, deletions and ends
 * of accounts say nothing of what was posted, and pass whole: a deletion of a post that was never
 * wanted retracts nothing, one that was missed leaves what should be gone.
 *
 * @throws ConfigError when what is wanted cannot be
 */
export function openBlueskyFeed(options: BlueskyFeedOptions, tools: FeedTools): Feed {
  checkAuthors(options.authors);
  return new BlueskyFeed(options, tools);
}

class BlueskyFeed implements Feed {
  readonly name = "bluesky";
  readonly source = "bluesky";
  readonly whenFull = "wait";
  readonly #options: BlueskyFeedOptions;
  readonly #tools: FeedTools;
  readonly #isWanted: ReturnType<typeof postFilter>;
  #status: FeedStatus = { state: "IDLE", detail: "" };

  constructor(options: BlueskyFeedOptions, tools: FeedTools) {
    this.#options = options;
    this.#tools = tools;
    this.#isWanted = postFilter(options);
  }

  status(): FeedStatus {
    return this.#status;
  }

  async run(sink: FeedSink, signal: AbortSignal): Promise<void> {
    const { clock, random, emit } = this.#tools;
    const backoff = new Backoff({ baseMs: WAIT_MS, maxMs: WAIT_MS_MAX, clock, random });
    try {
      const { frameBytesMax } = this.#options;
      const wanted: Wanted = { dids: await this.#didsOf(signal), frameBytesMax };
      const instances = new Instances(this.#options.endpoints, cursorIn(sink)?.endpoint);
      /** What the cursor does not say: the very beginning, and what follows a refused number. */
      let start = await this.#firstStart(sink, signal);
      for (;;) {
        const beganMs = clock.monotonic();
        const endpoint = instances.current;
        const begin = start ?? startAt(endpoint, cursorIn(sink));
        let reason: string;
        start = undefined;
        try {
          start = await this.#follow(endpoint, begin, wanted, sink, signal);
          reason = `${endpoint} is asked again`;
        } catch (error) {
          signal.throwIfAborted();
          start = floorIn(error, cursorIn(sink));
          reason = describeError(error);
        }
        if (clock.monotonic() - beganMs >= ESTABLISHED_MS) backoff.reset();
        else if (start === undefined) instances.next();
        const waitMs = backoff.failed();
        const disconnect = { atMs: clock.now(), reason };
        emit(jetstreamEnded(reason, waitMs, instances.current));
        this.#status = {
          ...this.#status,
          state: "WAITING",
          detail: reason,
          lastDisconnect: disconnect,
        };
        await clock.sleep(waitMs, signal);
      }
    } finally {
      this.#become("IDLE", "");
    }
  }

  /** Whoever begins with nothing begins now; from then on nothing is missed, whatever the first connection does. */
  async #firstStart(sink: FeedSink, signal: AbortSignal): Promise<Start | undefined> {
    if (cursorIn(sink) !== undefined) return undefined;
    const now: JetstreamCursor = { endpoint: "", seq: 0, timeMs: this.#tools.clock.now() };
    await sink.append({ items: [], cursor: JSON.stringify(now) }, signal);
    return { from: "now" };
  }

  /** One connection. @returns another beginning where this one was wrong; throws when it ends */
  async #follow(
    endpoint: string,
    start: Start,
    wanted: Wanted,
    sink: FeedSink,
    signal: AbortSignal,
  ): Promise<Start | undefined> {
    const { clock } = this.#tools;
    this.#become("CONNECTING", endpoint);
    const url = subscriptionUrl(endpoint, start, wanted);
    const connection = await this.#options.transport.connect(url, signal);
    const heard = { nothing: false };
    try {
      this.#become("STREAMING", "");
      const batches = watchSilence(connection.frames, SILENCE_MS, clock, () => {
        heard.nothing = true;
        connection.close();
      });
      const reader = new Reader(endpoint, start, cursorIn(sink), this.#tools, this.#isWanted);
      let movedMs = -Infinity;
      for await (const frames of batches) {
        const { items, cursor, restart } = reader.read(frames);
        if (restart) return restart;
        if (cursor === undefined) continue;
        this.#status = { ...this.#status, lagMs: Math.max(0, clock.now() - cursor.timeMs) };
        if (items.length === 0 && clock.monotonic() - movedMs < CURSOR_MS) continue;
        movedMs = clock.monotonic();
        await sink.append({ items, cursor: JSON.stringify(cursor) }, signal);
      }
    } catch (error) {
      if (!heard.nothing || signal.aborted) throw error;
      throw new JetstreamConnectionError(
        `${endpoint} sent nothing for ${SILENCE_MS / 1_000} s, not even a ping`,
        { cause: error },
      );
    } finally {
      connection.close();
    }
    throw new JetstreamConnectionError(`${endpoint} ended the connection`);
  }

  async #didsOf(signal: AbortSignal): Promise<string[]> {
    const dids: string[] = [];
    for (const author of this.#options.authors) {
      const handle = author.replace(/^@/, "");
      const isDid = author.startsWith("did:");
      if (!isDid) this.#become("CONNECTING", `looking up ${handle}`);
      dids.push(isDid ? author : await this.#options.transport.resolveHandle(handle, signal));
    }
    return [...new Set(dids)];
  }

  #become(state: FeedStatus["state"], detail: string): void {
    this.#status = { ...this.#status, state, detail };
  }
}

/** The instances in turn, beginning with the one whose numbers are known. */
class Instances {
  readonly #all: readonly string[];
  #at: number;

  constructor(all: readonly string[], known: string | undefined) {
    this.#all = all;
    this.#at = Math.max(0, known === undefined ? 0 : all.indexOf(known));
  }

  get current(): string {
    return this.#all[this.#at] ?? "";
  }

  next(): void {
    this.#at = (this.#at + 1) % this.#all.length;
  }
}

interface Read {
  readonly items: readonly FeedItem[];
  /** Behind the last event; undefined when there was none. */
  readonly cursor: JetstreamCursor | undefined;
  /** Begin like this instead: what came is not what was asked for. */
  readonly restart?: Start;
}

/** What comes on one connection, from its first frame on. */
class Reader {
  readonly #endpoint: string;
  readonly #start: Start;
  readonly #before: JetstreamCursor | undefined;
  readonly #tools: FeedTools;
  readonly #isWanted: ReturnType<typeof postFilter>;
  #isFirst = true;
  #isOutdated = false;

  constructor(
    endpoint: string,
    start: Start,
    before: JetstreamCursor | undefined,
    tools: FeedTools,
    isWanted: ReturnType<typeof postFilter>,
  ) {
    this.#endpoint = endpoint;
    this.#start = start;
    this.#before = before;
    this.#tools = tools;
    this.#isWanted = isWanted;
  }

  read(frames: readonly Buffer[]): Read {
    const items: FeedItem[] = [];
    let cursor: JetstreamCursor | undefined;
    for (const bytes of frames) {
      const frame = readFrame(bytes);
      if (frame.kind === "error") {
        throw new JetstreamConnectionError(
          `${this.#endpoint} ended the connection: ${frame.name}, ${frame.message}`,
        );
      }
      if (frame.kind === "info") {
        this.#isOutdated ||= frame.name === "OutdatedCursor";
        continue;
      }
      if (frame.kind === "event") {
        const restart = this.#isFirst ? this.#begin(frame) : undefined;
        if (restart) return { items: [], cursor: undefined, restart };
        if (this.#isKnown(frame.seq)) continue;
        cursor = { endpoint: this.#endpoint, seq: frame.seq, timeMs: frame.timeMs };
        if (frame.created && !this.#isWanted(frame.created)) continue;
      }
      // What nobody here can read is for the sink to put aside.
      items.push({ bytes });
    }
    return { items, cursor };
  }

  /**
   * Looks whether the first event is the one that was asked for. Numbers mean nothing when an
   * instance was made anew, and a number that it has not reached yet is no error there: it gives
   * what happens next. That the last event comes again, with its time, is what tells.
   */
  #begin(frame: Extract<Frame, { kind: "event" }>): Start | undefined {
    this.#isFirst = false;
    const before = this.#before;
    if (!before) return undefined;
    const isSame = before.endpoint === this.#endpoint;
    const isResumed = this.#start.from === "seq" && isSame && this.#start.seq === before.seq;
    if (isResumed && (frame.seq !== before.seq || frame.timeMs !== before.timeMs)) {
      this.#tools.emit(cursorUnknown(this.#endpoint, before.seq, frame.seq));
      return startByTime(before);
    }
    const skipped = this.#start.from === "seq" && isSame && this.#start.seq > before.seq;
    if (skipped || this.#isOutdated) {
      this.#tools.emit(
        rangeLost({
          endpoint: this.#endpoint,
          fromMs: before.timeMs,
          toMs: frame.timeMs,
          afterSeq: isSame ? before.seq : undefined,
          beforeSeq: frame.seq,
        }),
      );
    }
    return undefined;
  }

  /** The cursor is inclusive: the event that it names comes again. */
  #isKnown(seq: number): boolean {
    const before = this.#before;
    return this.#start.from === "seq" && before?.endpoint === this.#endpoint && seq <= before.seq;
  }
}

/** Where Jetstream's log begins, if the error says that the cursor is before it. */
function floorIn(error: unknown, cursor: JetstreamCursor | undefined): Start | undefined {
  if (!(error instanceof JetstreamRefusedError) || error.reason !== "CursorTooOld" || !cursor) {
    return undefined;
  }
  const floor = /floor (\d+)/.exec(error.detail)?.[1];
  // By time the beginning of the log is given without being asked for.
  return floor === undefined ? startByTime(cursor) : { from: "seq", seq: Number(floor) };
}

function cursorIn(sink: FeedSink): JetstreamCursor | undefined {
  const text = sink.cursor();
  if (text === undefined) return undefined;
  try {
    return cursorShape.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
