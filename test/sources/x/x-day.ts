// 24 hours of X's misbehaviour in compressed time: what the client was given whole is kept once, and
// nothing that X publishes is passed.
import assert from "node:assert/strict";
import { collectEvents, VirtualClock } from "@hybridge/core/testing";
import { compileRules, openXFeed, xPlans, type ReadsOfMonth } from "@hybridge/ingest/x";
import { seededRandom } from "@hybridge/kafka/testing";
import { MadePosts } from "../made-posts.ts";
import { MemorySink } from "../memory-sink.ts";
import { xProtocol } from "../protocol.ts";
import { MemoryNetwork, type Attempt } from "./memory-transport.ts";
import { XSimulator } from "./x-simulator.ts";

export const SEEDS = 20;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const TOKEN = "token";

const troubles = [
  "end",
  "reset",
  "mid-line",
  "message",
  "bare-message",
  "stall",
  "repeat",
  "unavailable",
  "rate-limited",
  "network down",
  "network cut",
  "silent cut",
  "process killed",
] as const;

/** One day of a feed, of the network, and of X. */
class Day {
  readonly random: () => number;
  readonly clock = new VirtualClock(Date.UTC(2026, 8, 3, 11));
  readonly simulator: XSimulator;
  readonly network: MemoryNetwork;
  readonly sink: MemorySink;
  readonly events = collectEvents();
  readonly met = new Map<string, number>();
  /** Attempts of each life of the process: a new one knows nothing of the back-off before. */
  readonly lives: Attempt[][] = [];
  reads: ReadsOfMonth | undefined;
  readonly #plan: "pay-per-use" | "enterprise";
  #life = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(seed: number, troubleMs = 17 * MINUTE_MS) {
    this.random = seededRandom(seed);
    this.#plan = seed % 3 === 0 ? "enterprise" : "pay-per-use";
    const after = (ms: number, then: () => void) => this.clock.after(ms, then);
    this.simulator = new XSimulator({ clock: this.clock, after, token: TOKEN, plan: this.#plan });
    this.network = new MemoryNetwork(this.random, () => this.clock.monotonic());
    this.sink = new MemorySink(() => this.clock.sleep(this.random() * 200));
    const posts = new MadePosts(seed, "x.v2");
    this.#every(60_000, () => this.simulator.publish(posts.next(this.clock.now())));
    this.#every(troubleMs, () => this.#trouble());
  }

  async pass(ms: number): Promise<void> {
    this.#start();
    await this.clock.run(ms);
    await this.#stop();
  }

  /** Ids of the posts whose lines came whole, by the bytes that the client was given. */
  delivered(): Set<string> {
    const ids = new Set<string>();
    for (const pieces of this.network.delivered) {
      const lines = Buffer.concat(pieces).toString("utf8").split("\r\n").slice(0, -1);
      for (const line of lines) {
        const id =
          line === "" ? undefined : (JSON.parse(line) as { data?: { id: string } }).data?.id;
        if (id !== undefined) ids.add(id);
      }
    }
    return ids;
  }

  #start(): void {
    this.#life = new AbortController();
    const first = this.network.attempts.length;
    const plan = xPlans[this.#plan];
    const filter = { keywords: ["kafka"], users: ["somebody"], languages: [], rules: [] };
    const feed = openXFeed(
      {
        transport: this.network.transport(this.simulator, TOKEN),
        plan,
        rules: compileRules(filter, plan),
        tag: "hybridge",
        readsMax: 1_000_000,
        readsResetDay: 1,
        readsStore: {
          load: () => Promise.resolve(this.reads),
          save: (reads) => {
            this.reads = reads;
            return Promise.resolve();
          },
        },
        lineBytesMax: 1_000_000,
      },
      { emit: this.events.emit, clock: this.clock, random: this.random },
    );
    this.#running = feed.run(this.sink, this.#life.signal).catch((error: unknown) => {
      if (!this.#life.signal.aborted) throw error;
    });
    this.#running.finally(() => this.lives.push(this.network.attempts.slice(first))).catch(() => 0);
  }

  async #stop(): Promise<void> {
    this.#life.abort(new DOMException("killed", "AbortError"));
    await this.clock.run(1_000);
    await this.#running;
  }

  #trouble(): void {
    const which = troubles[Math.floor(this.random() * troubles.length)] ?? "end";
    this.met.set(which, (this.met.get(which) ?? 0) + 1);
    const forMs = this.random() * 12 * MINUTE_MS;
    switch (which) {
      case "unavailable":
        this.simulator.trouble = "unavailable";
        this.simulator.disconnect("end");
        this.clock.after(forMs, () => (this.simulator.trouble = "none"));
        return;
      case "rate-limited":
        this.simulator.trouble = "rate-limited";
        this.simulator.disconnect("reset");
        return;
      case "network down":
        this.network.isDown = true;
        this.network.cut(false);
        this.clock.after(forMs, () => (this.network.isDown = false));
        return;
      case "network cut":
      case "silent cut":
        this.network.cut(which === "silent cut");
        return;
      case "process killed":
        if (this.#life.signal.aborted) return;
        this.#life.abort(new DOMException("killed", "AbortError"));
        this.clock.after(forMs, () => this.#start());
        return;
      default:
        this.simulator.disconnect(which);
    }
  }

  /** Again and again, `meanMs` apart on average. */
  #every(meanMs: number, act: () => void): void {
    this.clock.after(-Math.log(1 - this.random()) * meanMs, () => {
      act();
      this.#every(meanMs, act);
    });
  }
}

/** The waits that X publishes, counted anew from what was seen. */
function checkWaits(attempts: readonly Attempt[]): void {
  const failures = { network: 0, http: 0, "rate-limit": 0 };
  for (const [index, attempt] of attempts.entries()) {
    const next = attempts[index + 1];
    if (!next) return;
    const endedMs = attempt.endedMs ?? attempt.atMs;
    const isEstablished =
      attempt.outcome === "connected" && endedMs - attempt.atMs >= xProtocol.heartbeatMs;
    if (isEstablished) {
      Object.assign(failures, { network: 0, http: 0, "rate-limit": 0 });
      continue;
    }
    const kind = attempt.outcome === "connected" ? "network" : attempt.outcome;
    const count = (failures[kind] += 1);
    const leastMs = {
      network: Math.min(xProtocol.networkMaxMs, xProtocol.networkStepMs * count),
      http: Math.min(xProtocol.httpMaxMs, xProtocol.httpBaseMs * 2 ** (count - 1)),
      "rate-limit": Math.min(xProtocol.windowMs, xProtocol.rateLimitBaseMs * 2 ** (count - 1)),
    }[kind];
    const waitedMs = next.atMs - endedMs;
    assert.ok(waitedMs >= leastMs - 1e-6, `${waitedMs} ms after the ${count}th of ${kind}`);
  }
}

/** Gaps are told once, in their order, and never reach into one another. */
function checkGaps({ events }: Day): void {
  const gaps = events.events.filter(({ name }) => name === "x.gap");
  let lastMs = 0;
  for (const { fields } of gaps) {
    const [from, to] = [Date.parse(String(fields?.["from"])), Date.parse(String(fields?.["to"]))];
    assert.ok(from >= lastMs && to >= from, `a gap from ${from} to ${to} behind ${lastMs}`);
    lastMs = to;
  }
}

/** Every post that came is kept once, and no limit is passed. */
export async function days(): Promise<void> {
  const met = new Map<string, number>();
  let posts = 0;
  let duplicates = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const day = new Day(seed);
    await day.pass(DAY_MS);
    const kept = day.sink.records.map(({ id }) => id);
    assert.deepEqual(new Set(kept), day.delivered(), `seed ${seed}`);
    assert.equal(kept.length, new Set(kept).size, `seed ${seed}`);
    assert.deepEqual(day.sink.unreadable, [], `seed ${seed}`);
    assert.deepEqual(day.simulator.violations, [], `seed ${seed}`);
    for (const life of day.lives) checkWaits(life);
    checkGaps(day);
    // A connection lasts, or is waited for: 24 hours are no reason for thousands.
    assert.ok(day.network.attempts.length < 1_000, `${day.network.attempts.length} attempts`);
    // Each life may have counted a lease that it did not read.
    const reads = day.reads?.reads ?? 0;
    const read = kept.length + day.sink.duplicates;
    assert.ok(reads >= read && reads <= read + 500 * day.lives.length, `${reads} of ${read}`);
    for (const [name, count] of day.met) met.set(name, (met.get(name) ?? 0) + count);
    posts += kept.length;
    duplicates += day.sink.duplicates;
  }
  for (const name of troubles) assert.ok((met.get(name) ?? 0) >= SEEDS / 2, `${name} hardly came`);
  assert.ok(posts > SEEDS * 700, `${posts} posts`);
  assert.ok(duplicates > SEEDS, `${duplicates} duplicates`);
}

/** A stream that X accepts and drops at once costs no more connections than X allows. */
export async function dropped(): Promise<void> {
  const day = new Day(1, Infinity);
  const drop = () => {
    day.simulator.disconnect("end");
    day.clock.after(100, drop);
  };
  drop();
  await day.pass(6 * 60 * MINUTE_MS);
  assert.deepEqual(day.simulator.violations, []);
  assert.ok(day.network.attempts.length > 6 * 4 * 40, `${day.network.attempts.length} attempts`);
}
