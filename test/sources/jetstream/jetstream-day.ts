// 24 hours of Jetstream's misbehaviour in compressed time: every event that is wanted is kept once,
// whatever was lost on the way.
import assert from "node:assert/strict";
import { collectEvents, VirtualClock } from "@hybridge/core/testing";
import { openBlueskyFeed } from "@hybridge/ingest/bluesky";
import { seededRandom } from "@hybridge/kafka/testing";
import { readPosts } from "@hybridge/tweet";
import { keyOf, MemorySink } from "../memory-sink.ts";
import { JetstreamInstance } from "./instance.ts";
import { MemoryJetstream } from "./memory-transport.ts";
import { isRecord, Network, type Happening } from "./network-log.ts";

export const SEEDS = 20;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const EAST = "wss://east.example";
const WEST = "wss://west.example";

const troubles = [
  "going away",
  "reset",
  "too slow",
  "stall",
  "network down",
  "instance down",
  "process killed",
  "renumbered",
] as const;

/** A feed, two instances, and the network that they watch. */
class World {
  readonly random: () => number;
  readonly clock = new VirtualClock(Date.UTC(2026, 8, 3, 11));
  readonly network: Network;
  readonly happened: Happening[] = [];
  readonly instances: ReadonlyMap<string, JetstreamInstance>;
  readonly jetstream: MemoryJetstream;
  readonly sink: MemorySink;
  readonly events = collectEvents();
  readonly met = new Map<string, number>();
  #life = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #isCalm = false;

  constructor(seed: number, { meanMs = 60_000, troubleMs = 17 * MINUTE_MS } = {}) {
    this.random = seededRandom(seed);
    const { clock } = this;
    const after = (ms: number, then: () => void) => clock.after(ms, then);
    this.network = new Network(seed, this.random);
    this.instances = new Map([
      [EAST, new JetstreamInstance({ clock, after, firstSeq: 1_000, delayMs: 100 })],
      [WEST, new JetstreamInstance({ clock, after, firstSeq: 700_000, delayMs: 900 })],
    ]);
    this.jetstream = new MemoryJetstream(this.instances, () => clock.monotonic());
    this.sink = new MemorySink(() => clock.sleep(this.random() * 200));
    this.#every(meanMs, () => {
      if (this.#isCalm) return;
      const happening = this.network.happen(clock.now());
      this.happened.push(happening);
      for (const instance of this.instances.values()) instance.see(happening);
    });
    this.#every(troubleMs, () => this.#trouble());
  }

  async start(): Promise<void> {
    this.#life = new AbortController();
    const feed = openBlueskyFeed(
      {
        transport: this.jetstream.transport,
        endpoints: [EAST, WEST],
        keywords: [],
        languages: [],
        authors: [],
        frameBytesMax: 1_000_000,
      },
      { emit: this.events.emit, clock: this.clock, random: this.random },
    );
    this.#running = feed.run(this.sink, this.#life.signal).catch((error: unknown) => {
      if (!this.#life.signal.aborted) throw error;
    });
    await this.clock.run(1_000);
  }

  /** Nothing happens any more and nothing breaks, until everything has arrived. */
  async calmDown(): Promise<void> {
    this.#isCalm = true;
    this.jetstream.isDown = false;
    for (const instance of this.instances.values()) instance.isUnavailable = false;
    await this.clock.run(HOUR_MS);
  }

  async stop(): Promise<void> {
    this.#life.abort(new DOMException("killed", "AbortError"));
    await this.clock.run(1_000);
    await this.#running;
  }

  /** What a reader of everything would have kept. */
  wanted(): string[] {
    return this.happened.filter(isRecord).flatMap(({ kind, did, payload }) => {
      const frame = { $type: "message", payload: { $type: `x#${kind}`, did, ...payload } };
      return readPosts(Buffer.from(JSON.stringify(frame))).flatMap((reading) => {
        if (!("fields" in reading)) return [];
        const { op, version } = reading.fields;
        return [keyOf({ id: reading.id, op, version: version ?? "" })];
      });
    });
  }

  #trouble(): void {
    if (this.#isCalm) return;
    const which = troubles[Math.floor(this.random() * troubles.length)] ?? "reset";
    this.met.set(which, (this.met.get(which) ?? 0) + 1);
    const forMs = this.random() * 25 * MINUTE_MS;
    const instance = this.instances.get(this.random() < 0.5 ? EAST : WEST);
    switch (which) {
      case "network down":
        this.jetstream.isDown = true;
        for (const each of this.instances.values()) each.disconnect("reset");
        this.clock.after(forMs, () => (this.jetstream.isDown = false));
        return;
      case "instance down":
        if (!instance) return;
        instance.isUnavailable = true;
        instance.disconnect("going away");
        this.clock.after(forMs, () => (instance.isUnavailable = false));
        return;
      case "process killed":
        if (this.#life.signal.aborted) return;
        this.#life.abort(new DOMException("killed", "AbortError"));
        this.clock.after(forMs, () => void this.start());
        return;
      case "renumbered":
        instance?.renumber(1);
        return;
      default:
        for (const each of this.instances.values()) each.disconnect(which);
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

/** Every event is kept once, and nothing else. */
export async function days(): Promise<void> {
  const met = new Map<string, number>();
  let records = 0;
  let duplicates = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new World(seed);
    await world.start();
    await world.clock.run(DAY_MS);
    await world.calmDown();
    await world.stop();
    const kept = world.sink.records.map(keyOf);
    const wanted = world.wanted();
    const known = new Set(kept);
    const missing = wanted.filter((key) => !known.has(key));
    assert.deepEqual(missing, [], `seed ${seed}`);
    assert.equal(kept.length, new Set(wanted).size, `seed ${seed}`);
    assert.deepEqual(world.sink.unreadable, [], `seed ${seed}`);
    for (const instance of world.instances.values()) assert.deepEqual(instance.violations, []);
    const { attemptsMs } = world.jetstream;
    assert.ok(attemptsMs.length < 1_500, `${attemptsMs.length} attempts`);
    for (const [name, count] of world.met) met.set(name, (met.get(name) ?? 0) + count);
    records += kept.length;
    duplicates += world.sink.duplicates;
  }
  for (const name of troubles) assert.ok((met.get(name) ?? 0) >= SEEDS / 2, `${name} hardly came`);
  assert.ok(records > SEEDS * 700, `${records} records`);
  assert.ok(duplicates > SEEDS, `${duplicates} duplicates`);
}

/** With a cursor older than 36 hours reading goes on where the log begins, and the loss is told. */
export async function tooOld(): Promise<void> {
  for (const hasMoved of [false, true]) {
    const world = new World(99, { meanMs: MINUTE_MS, troubleMs: Infinity });
    await world.start();
    await world.clock.run(HOUR_MS);
    await world.stop();
    const before = new Set(world.sink.records.map(keyOf));
    const { seq, timeMs } = JSON.parse(world.sink.cursor() ?? "{}") as {
      seq: number;
      timeMs: number;
    };
    await world.clock.run(48 * HOUR_MS);
    // Another instance numbers otherwise: there only the time says where to go on.
    const east = world.instances.get(EAST);
    if (hasMoved && east) east.isUnavailable = true;
    await world.start();
    await world.calmDown();
    await world.stop();
    const lost = world.events.events.filter(({ name }) => name === "bluesky.range_lost");
    assert.equal(lost.length, 1);
    const told = lost[0]?.fields ?? {};
    assert.equal(told["from"], new Date(timeMs).toISOString());
    assert.equal(told["afterSeq"], hasMoved ? undefined : seq);
    const endMs = Date.parse(String(told["to"]));
    const wanted = world.happened.map(({ atMs }, index) => ({ atMs, index }));
    assert.ok(wanted.length > 2_000);
    // What is not in the told range is there.
    const kept = new Set(world.sink.records.map(keyOf));
    const late = wanted.filter(({ atMs }) => atMs > endMs).length;
    assert.ok(late > 1_000 && kept.size - before.size > late / 2);
    assert.ok(kept.size < world.wanted().length);
  }
}
