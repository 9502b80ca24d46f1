import type { MonotonicClock } from "@hybridge/core";
import { filled, jetstreamProtocol as protocol } from "../protocol.ts";
import type { Happening } from "./network-log.ts";

interface Seen {
  readonly seq: number;
  readonly timeUs: number;
  readonly happening: Happening;
}

interface Filter {
  readonly kinds: ReadonlySet<string>;
  readonly dids: ReadonlySet<string>;
  readonly collections: ReadonlySet<string>;
}

/** However young they are: a simulator that runs for days must not grow. */
const EVENTS_MAX = 50_000;

/** An answer in place of the upgrade. */
export interface NoUpgrade {
  readonly status: number;
  readonly body: { readonly error: string; readonly message: string };
}

export interface InstanceOptions {
  readonly clock: MonotonicClock;
  readonly after: (ms: number, then: () => void) => void;
  /** Its first number; every instance numbers for itself. */
  readonly firstSeq: number;
  /** How much later than others it sees what happens. */
  readonly delayMs: number;
}

/**
 * One instance of Jetstream without a network: its own numbers, its log of 36 hours, filters and
 * cursors, as protocol.json has them. Who subscribes reads the log at a pace of its own.
 */
export class JetstreamInstance {
  isUnavailable = false;
  /** What a client did that it must not. */
  readonly violations: string[] = [];
  readonly #options: InstanceOptions;
  readonly #open = new Set<Subscription>();
  #log: Seen[] = [];
  #nextSeq: number;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.#nextSeq = options.firstSeq;
  }

  get subscribers(): number {
    return this.#open.size;
  }

  see(happening: Happening): void {
    this.#options.after(this.#options.delayMs, () => {
      const { clock } = this.#options;
      const timeUs = Math.floor(clock.now() * 1_000);
      this.#log.push({ seq: this.#nextSeq++, timeUs, happening });
      const oldestUs = (clock.now() - protocol.lookbackMs) * 1_000;
      const isFull = this.#log.length > EVENTS_MAX;
      if (isFull) this.#log = this.#log.slice(EVENTS_MAX / 2);
      else if ((this.#log[0]?.timeUs ?? timeUs) < oldestUs) {
        this.#log = this.#log.filter((seen) => seen.timeUs >= oldestUs);
      }
      for (const subscription of this.#open) subscription.wake();
    });
  }

  /** Throws what it had numbered away, and numbers what it keeps anew. */
  renumber(firstSeq: number): void {
    this.disconnect("reset");
    this.#log = this.#log.map((seen, index) => ({ ...seen, seq: firstSeq + index }));
    this.#nextSeq = firstSeq + this.#log.length;
  }

  /** Ends all connections in one of its ways. */
  disconnect(how: "going away" | "reset" | "too slow" | "stall"): void {
    for (const subscription of [...this.#open]) {
      if (how === "stall") subscription.isStalled = true;
      else subscription.end(how, this.#nextSeq);
    }
  }

  subscribe(query: URLSearchParams): NoUpgrade | Subscription {
    if (this.isUnavailable) return { status: 503, body: protocol.unavailable };
    const wrong = this.#wrongIn(query);
    if (wrong !== undefined) {
      this.violations.push(wrong);
      return { status: 400, body: { error: "InvalidRequest", message: wrong } };
    }
    const begin = this.#begin(query.get("cursor"));
    if ("status" in begin) return begin;
    const filter: Filter = {
      kinds: new Set(query.getAll("kinds")),
      dids: new Set(query.getAll("dids")),
      collections: new Set(query.getAll("collections")),
    };
    const subscription = new Subscription(
      (seq) => this.#framesFrom(seq, filter),
      begin.seq,
      begin.info,
      () => this.#open.delete(subscription),
    );
    this.#open.add(subscription);
    this.#ping(subscription);
    return subscription;
  }

  #wrongIn(query: URLSearchParams): string | undefined {
    const kinds = query.getAll("kinds");
    const unknown = kinds.find((kind) => !protocol.kinds.includes(kind));
    if (unknown !== undefined) return `unknown kind ${unknown}`;
    const legacy = protocol.legacyParameters.find((name) => query.has(name));
    if (legacy !== undefined) return `${legacy} is a parameter of version 1`;
    if (query.getAll("dids").length > protocol.didsMax) return "too many dids";
    const collections = query.getAll("collections");
    if (collections.length > protocol.collectionsMax) return "too many collections";
    const isInert = collections.length > 0 && kinds.length > 0 && !kinds.includes("commit");
    return isInert ? "collections without commits" : undefined;
  }

  #begin(cursor: string | null): NoUpgrade | { seq: number; info?: string } {
    const number = Number(cursor ?? Infinity);
    const floor = this.#log[0]?.seq ?? this.#nextSeq;
    if (number < protocol.timeCursorMin) {
      // In the future: the live tip, without a word.
      if (number >= this.#nextSeq) return { seq: this.#nextSeq };
      if (number >= floor) return { seq: number };
      const { error, message } = protocol.cursorTooOld;
      return { status: 400, body: { error, message: filled(message, { cursor: number, floor }) } };
    }
    const first = this.#log.find(({ timeUs }) => timeUs >= number);
    const oldestUs = (this.#options.clock.now() - protocol.lookbackMs) * 1_000;
    if (number >= oldestUs) return { seq: first?.seq ?? this.#nextSeq };
    const { name, message } = protocol.outdatedCursor;
    return {
      seq: floor,
      info: messageFrame("info", { name, message: filled(message, { floor }) }),
    };
  }

  #framesFrom(
    seq: number,
    { kinds, dids, collections }: Filter,
  ): { frames: Buffer[]; next: number } {
    const first = this.#log[0]?.seq ?? this.#nextSeq;
    const frames: Buffer[] = [];
    for (const { seq: number, timeUs, happening } of this.#log.slice(Math.max(0, seq - first))) {
      const { kind, did, collection, payload } = happening;
      const isWanted =
        (kinds.size === 0 || kinds.has(kind)) &&
        (dids.size === 0 || dids.has(did)) &&
        (collections.size === 0 || collection === undefined || collections.has(collection));
      if (!isWanted) continue;
      const time = `${new Date(timeUs / 1_000).toISOString().slice(0, -1)}${String(timeUs % 1_000).padStart(3, "0")}Z`;
      frames.push(Buffer.from(messageFrame(kind, { seq: number, did, time, ...payload })));
    }
    return { frames, next: this.#nextSeq };
  }

  #ping(subscription: Subscription): void {
    this.#options.after(protocol.pingMs, () => {
      if (!this.#open.has(subscription) || subscription.isStalled) return;
      subscription.ping();
      this.#ping(subscription);
    });
  }
}

function messageFrame(kind: string, payload: object): string {
  const $type = `${protocol.typePrefix}#${kind}`;
  return JSON.stringify({ $type: "message", payload: { $type, ...payload } });
}

/** How a subscription ended. */
export type Ending = "going away" | "reset" | "too slow" | "left";

/** A subscriber's place in the log. */
export class Subscription {
  /** Nothing comes any more, and nobody knows. */
  isStalled = false;
  readonly #read: (seq: number) => { frames: Buffer[]; next: number };
  readonly #onEnd: () => void;
  #seq: number;
  #first: Buffer[];
  #isPinged = false;
  #ended: Ending | undefined;
  #wake: () => void = () => undefined;

  constructor(
    read: (seq: number) => { frames: Buffer[]; next: number },
    seq: number,
    info: string | undefined,
    onEnd: () => void,
  ) {
    this.#read = read;
    this.#seq = seq;
    this.#first = info === undefined ? [] : [Buffer.from(info)];
    this.#onEnd = onEnd;
  }

  /** The frames that are there, none for a ping; waits for some. Then how it ended. */
  async next(): Promise<readonly Buffer[] | Ending> {
    for (;;) {
      if (!this.isStalled || this.#ended !== undefined) {
        const frames = this.#ended === "left" ? [] : this.#take();
        if (frames.length > 0 || this.#isPinged) {
          this.#isPinged = false;
          return frames;
        }
        if (this.#ended !== undefined) return this.#ended;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  wake(): void {
    this.#wake();
  }

  ping(): void {
    this.#isPinged = true;
    this.#wake();
  }

  end(how: Ending, tip: number): void {
    if (how === "too slow") {
      const { message } = protocol.tooSlow;
      const said = filled(String(message), { lag: tip - this.#seq, cursor: this.#seq });
      this.#first.push(Buffer.from(JSON.stringify({ ...protocol.tooSlow, message: said })));
    }
    this.#ended ??= how;
    this.#onEnd();
    this.#wake();
  }

  #take(): Buffer[] {
    const first = this.#first;
    this.#first = [];
    // What happens behind the end is not sent any more.
    if (this.#ended !== undefined) return first;
    const { frames, next } = this.#read(this.#seq);
    this.#seq = Math.max(this.#seq, next);
    return [...first, ...frames];
  }
}
