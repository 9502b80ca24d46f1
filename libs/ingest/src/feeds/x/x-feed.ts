import { describeError } from "@hybridge/core";
import type { Feed, FeedItem, FeedRules, FeedSink, FeedStatus, FeedTools } from "../feed.ts";
import { watchSilence } from "../silence.ts";
import { XAnswerError, XRulesRefusedError } from "./errors.ts";
import { LineDecoder } from "./line-decoder.ts";
import { liveRules } from "./live-rules.ts";
import { ReadBudget, type ReadsStore } from "./read-budget.ts";
import { ReconnectLadder, type FailureKind } from "./reconnect-ladder.ts";
import { reconcileRules } from "./reconcile-rules.ts";
import type { XPlan } from "./rules.ts";
import { StreamMemory } from "./stream-memory.ts";
import { problemsIn, sayProblem } from "./x-answers.ts";
import { lineTooLong, readsUsedUp, rulesReconciled, streamEnded, streamGap } from "./x-events.ts";
import type { XTransport } from "./x-transport.ts";

export interface XFeedOptions {
  readonly transport: XTransport;
  readonly plan: XPlan;
  /** In X's language, as compileRules gives them. */
  readonly rules: readonly string[];
  /** Which rules at X are ours. */
  readonly tag: string;
  /** Posts in a month; 0 for no bound. */
  readonly readsMax: number;
  readonly readsResetDay: number;
  readonly readsStore: ReadsStore;
  readonly lineBytesMax: number;
}

/** X sends a line end every 20 s (docs.x.com, "Handling disconnections"); some seconds are the network's. */
const SILENCE_MS = 25_000;
/** A stream that ends before its first heartbeat was due was none: then the back-off goes on. */
const ESTABLISHED_MS = 20_000;
/** X's clock is not ours. */
const CLOCKS_DIFFER_MS = 1_000;
/** Clocks are set: a month's end is looked for again this often. */
const LOOK_AGAIN_MS = 600_000;

/** Why there is no stream any more. */
interface End {
  readonly reason: string;
  readonly kind: FailureKind;
  readonly error?: unknown;
  readonly resetAtMs?: number | undefined;
  /** The stream was there long enough to be one: X publishes no wait before the next. */
  readonly wasEstablished: boolean;
}

/** What one run of the feed works with. */
interface Session {
  readonly sink: FeedSink;
  readonly reads: ReadBudget;
  readonly ladder: ReconnectLadder;
  readonly memory: StreamMemory;
}

/** The filtered stream of X's API v2, as a feed. */
export function openXFeed(options: XFeedOptions, tools: FeedTools): Feed {
  return new XFeed(options, tools);
}

class XFeed implements Feed {
  readonly name = "x";
  readonly source = "x";
  /** X ends the stream of a slow reader, and gives nothing twice. */
  readonly whenFull = "drop";
  readonly rules: FeedRules;
  readonly #options: XFeedOptions;
  readonly #tools: FeedTools;
  #status: FeedStatus = { state: "IDLE", detail: "" };
  #reads: ReadBudget | undefined;

  constructor(options: XFeedOptions, tools: FeedTools) {
    this.#options = options;
    this.#tools = tools;
    this.rules = liveRules(options.transport, options);
  }

  status(): FeedStatus {
    const left = this.#reads?.left;
    return left === undefined ? this.#status : { ...this.#status, readsLeft: left };
  }

  async run(sink: FeedSink, signal: AbortSignal): Promise<void> {
    const { readsMax, readsResetDay: resetDay, readsStore: store } = this.#options;
    const { clock } = this.#tools;
    const reads = await ReadBudget.open({ readsMax, resetDay, store, clock });
    this.#reads = reads;
    try {
      const session: Session = {
        sink,
        reads,
        ladder: new ReconnectLadder(),
        memory: StreamMemory.from(sink.cursor()),
      };
      await this.#untilReconciled(session, signal);
      for (;;) {
        await this.#untilReadsAreLeft(reads, signal);
        await this.#untilAllowed(session, signal);
        const end = await this.#stream(session, signal);
        if (end) await this.#waitAfter(end, session, signal);
      }
    } finally {
      this.#become("IDLE", "");
      await reads.close();
    }
  }

  async #untilReconciled(session: Session, signal: AbortSignal): Promise<void> {
    const { transport, rules } = this.#options;
    for (;;) {
      await this.#untilAllowed(session, signal);
      this.#become("CONNECTING", "comparing the rules at X with the configuration");
      try {
        const done = await reconcileRules(transport, rules, this.#options, signal);
        this.#tools.emit(rulesReconciled(done));
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof XRulesRefusedError) throw error;
        await this.#waitAfter(failedWith(error), session, signal);
      }
    }
  }

  async #untilReadsAreLeft(reads: ReadBudget, signal: AbortSignal): Promise<void> {
    let isTold = false;
    while (reads.left === 0) {
      const event = readsUsedUp(reads.reads, reads.resetAtMs);
      if (!isTold) this.#tools.emit(event);
      isTold = true;
      this.#become("WAITING", event.message);
      const { clock } = this.#tools;
      const waitMs = Math.max(1_000, reads.resetAtMs - clock.now());
      await clock.sleep(Math.min(LOOK_AGAIN_MS, waitMs), signal);
    }
  }

  /** One connection, from its request to its end. Undefined when we ended it because reads are used up. */
  async #stream(session: Session, signal: AbortSignal): Promise<End | undefined> {
    const { transport } = this.#options;
    const { clock } = this.#tools;
    const beganMs = clock.monotonic();
    const wasEstablished = () => clock.monotonic() - beganMs >= ESTABLISHED_MS;
    const heard = { something: false, nothing: false };
    try {
      this.#become("CONNECTING", "");
      const { minutes, gap } = this.#missed(session.memory);
      session.memory.connected(clock.now());
      await this.#keep(session, [], signal);
      const stream = await transport.openStream({ backfillMinutes: minutes }, signal);
      try {
        this.#become("STREAMING", "");
        const toMs = clock.now() - minutes * 60_000;
        const onHeard = () => {
          heard.something = true;
          if (gap) this.#tools.emit(streamGap(gap.fromMs, toMs));
        };
        const chunks = watchSilence(stream.chunks, SILENCE_MS, clock, () => {
          heard.nothing = true;
          stream.close();
        });
        const end = await this.#read(chunks, session, onHeard, signal);
        if (end === "used up") return undefined;
        if (end !== undefined) return { ...end, wasEstablished: wasEstablished() };
      } finally {
        stream.close();
      }
      signal.throwIfAborted();
      if (!heard.nothing) {
        // A stream that spoke was there until it ended: what is missed begins here.
        if (heard.something) session.memory.heardAtMs = clock.now();
        return { reason: "X ended the stream", kind: "network", wasEstablished: wasEstablished() };
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!heard.nothing) return { ...failedWith(error), wasEstablished: wasEstablished() };
    }
    const reason = `X sent nothing for ${SILENCE_MS / 1_000} s, not even a heartbeat`;
    return { reason, kind: "network", wasEstablished: wasEstablished() };
  }

  /** @returns why to go no further; undefined when the stream ended, or was silent and was closed */
  async #read(
    chunks: AsyncIterable<Buffer>,
    session: Session,
    onHeard: () => void,
    signal: AbortSignal,
  ): Promise<Omit<End, "wasEstablished"> | "used up" | undefined> {
    const { lineBytesMax } = this.#options;
    const decoder = new LineDecoder(lineBytesMax);
    let isFirst = true;
    for await (const chunk of chunks) {
      if (isFirst) onHeard();
      isFirst = false;
      const { lines, oversized } = decoder.push(chunk);
      for (const bytes of oversized) this.#tools.emit(lineTooLong(bytes, lineBytesMax));
      const { items, end } = this.#itemsOf(lines);
      await session.reads.count(items.length + oversized.length);
      session.memory.heardAtMs = this.#tools.clock.now();
      await this.#keep(session, items, signal);
      if (end) return end;
      if (session.reads.left === 0) return "used up";
    }
    return undefined;
  }

  /** Posts are for the sink; a problem that X tells between them is the end of the stream. */
  #itemsOf(lines: readonly Buffer[]): { items: FeedItem[]; end?: Omit<End, "wasEstablished"> } {
    const items: FeedItem[] = [];
    for (const bytes of lines) {
      const message = parsed(bytes);
      const problems = isPost(message) ? [] : problemsIn(message);
      if (problems.length > 0) {
        const reason = `X ended the stream: ${problems.map(sayProblem).join("; ")}`;
        const isLimit = problems.some(({ kind }) => kind === "TooManyConnections");
        return { items, end: { reason, kind: isLimit ? "rate-limit" : "network" } };
      }
      items.push({ bytes });
      this.#seeAge(message);
    }
    return { items };
  }

  /** How many minutes to ask for again, and since when even that brings nothing back. */
  #missed({ heardAtMs }: StreamMemory): { minutes: number; gap?: { readonly fromMs: number } } {
    const { backfillMinutesMax } = this.#options.plan;
    const now = this.#tools.clock.now();
    if (heardAtMs === undefined || now <= heardAtMs) return { minutes: 0 };
    const needed = Math.ceil((now - heardAtMs) / 60_000);
    const minutes = Math.min(needed, backfillMinutesMax);
    return needed > minutes ? { minutes, gap: { fromMs: heardAtMs } } : { minutes };
  }

  async #waitAfter(end: End, session: Session, signal: AbortSignal): Promise<void> {
    const { ladder, memory } = session;
    const { clock, emit } = this.#tools;
    const untilResetMs = (end.resetAtMs ?? 0) + CLOCKS_DIFFER_MS - clock.now();
    if (end.wasEstablished) ladder.established();
    const isFree = end.wasEstablished && end.kind === "network";
    const waitMs = isFree ? 0 : ladder.failed(end.kind, untilResetMs);
    this.#status = { ...this.#status, lastDisconnect: { atMs: clock.now(), reason: end.reason } };
    emit(streamEnded(end.reason, waitMs, end.error));
    if (waitMs === 0) return;
    const untilMs = clock.now() + waitMs;
    this.#become(
      "WAITING",
      `${end.reason}; connecting again at ${new Date(untilMs).toISOString()}`,
    );
    if (end.kind === "rate-limit") {
      memory.notBeforeMs = untilMs;
      await this.#keep(session, [], signal);
    }
    await clock.sleep(waitMs, signal);
  }

  /** What X counts over restarts of the process, it counts here as well. */
  async #untilAllowed({ memory }: Session, signal: AbortSignal): Promise<void> {
    const { clock } = this.#tools;
    for (;;) {
      const waitMs = memory.waitMs(clock.now());
      if (waitMs === 0) return;
      const until = new Date(clock.now() + waitMs).toISOString();
      this.#become("WAITING", `X's limit of requests allows the next at ${until}`);
      await clock.sleep(waitMs, signal);
    }
  }

  /** Items, and what has to be known after a restart. */
  async #keep({ sink, memory }: Session, items: readonly FeedItem[], signal: AbortSignal) {
    await sink.append({ items, cursor: String(memory) }, signal);
  }

  #become(state: FeedStatus["state"], detail: string): void {
    this.#status = { ...this.#status, state, detail };
  }

  #seeAge(message: unknown): void {
    const created = isPost(message) ? Date.parse(message.data.created_at ?? "") : NaN;
    if (!Number.isFinite(created)) return;
    this.#status = {
      ...this.#status,
      lagMs: Math.max(0, this.#tools.clock.now() - created),
    };
  }
}

function failedWith(error: unknown): End {
  const reason = describeError(error);
  if (!(error instanceof XAnswerError)) {
    return { reason, error, kind: "network", wasEstablished: false };
  }
  const kind = error.status === 429 ? "rate-limit" : "http";
  return { reason, error, kind, resetAtMs: error.resetAtMs, wasEstablished: false };
}

/** What is no JSON becomes a dead letter behind the sink. */
function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

function isPost(message: unknown): message is { data: { created_at?: string } } {
  if (typeof message !== "object" || message === null || !("data" in message)) return false;
  return typeof message.data === "object" && message.data !== null;
}
