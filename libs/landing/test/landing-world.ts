import assert from "node:assert/strict";
import type { HybridgeEvent } from "@hybridge/core";
import { collectEvents, FakeClock } from "@hybridge/core/testing";
import {
  LandingEngine,
  openLandingLog,
  sweepStaging,
  type EngineOptions,
  type LandingLog,
  type TopicKey,
} from "../src/index.ts";
import {
  memoryLanding,
  MemoryGroup,
  memoryLandingSource,
  MemoryTopic,
  readTextFile,
  textDeadLetters,
  textFlushEncoder,
  type MemoryTableStore,
} from "../src/testing/index.ts";

/** One process that lands. */
export interface Process {
  readonly engine: LandingEngine;
  readonly log: LandingLog;
  readonly store: MemoryTableStore;
  readonly events: readonly HybridgeEvent[];
}

const signal = new AbortController().signal;

/** A topic, a disk and a group, and any number of processes between them; time is the test's. */
export class LandingWorld {
  readonly clock = new FakeClock(Date.UTC(2026, 10, 26));
  readonly disk = memoryLanding({ readLocal: readTextFile });
  readonly topic: MemoryTopic;
  readonly group: MemoryGroup;
  /** What is to be landed: `topicId/partition/offset value`. */
  readonly written: string[] = [];

  constructor(options: { readonly partitions?: number; readonly batchMax?: number } = {}) {
    const { partitions = 2, batchMax = 7 } = options;
    this.topic = new MemoryTopic({ partitions, batchMax });
    this.group = new MemoryGroup(partitions);
  }

  get key(): TopicKey {
    return { cluster: "c", topic: "t", topicId: this.topic.topicId };
  }

  async start(
    over: Partial<EngineOptions> = {},
    wrap: (log: LandingLog) => Partial<LandingLog> = () => ({}),
  ): Promise<Process> {
    const store = this.disk.open();
    const { emit, events } = collectEvents();
    const { clock } = this;
    const opening = openLandingLog({ store, table: "t", writer: "test", emit, clock }, signal);
    const opened = await this.settled(opening);
    const log: LandingLog = {
      state: opened.state,
      refresh: (until) => opened.refresh(until),
      prepare: (content, until) => opened.prepare(content, until),
      commit: (prepared, until) => opened.commit(prepared, until),
      publish: (prepared, until) => opened.publish(prepared, until),
      discard: (prepared, until) => opened.discard(prepared, until),
      readCommits: (range, until) => opened.readCommits(range, until),
      maintain: (until) => opened.maintain(until),
      ...wrap(opened),
    };
    const engine = new LandingEngine({
      ...{ topic: this.key, log, emit, clock },
      encoder: textFlushEncoder(),
      writeDeadLetters: textDeadLetters,
      openSource: (until) => memoryLandingSource(this.topic, until),
      limits: { intervalMs: 1_000, bufferBytesMax: 1_000_000, recordsMax: 1_000 },
      policies: { gap: "continue", recreation: "stop", corruption: "stop" },
      random: () => 0.5,
      ...over,
    });
    return { engine, log, store, events };
  }

  async join({ engine }: Process): Promise<void> {
    await this.settled(this.group.join(engine));
  }

  async leave({ engine }: Process): Promise<void> {
    await this.settled(this.group.leave(engine));
  }

  async expire({ engine }: Process, isTold: boolean): Promise<void> {
    await this.settled(this.group.expire(engine, isTold));
  }

  async grow(partitions: number): Promise<void> {
    this.topic.grow(partitions);
    await this.settled(this.group.grow(partitions));
  }

  recreate(topicId: string): void {
    this.topic.recreate(topicId);
  }

  /** Appends records that are to be landed. */
  write(partition: number, count: number, more: { readonly timestampMs?: number } = {}): void {
    const start = Number(this.topic.end(partition));
    const values = Array.from({ length: count }, (_, index) => `v${start + index}`);
    this.topic.append(partition, values, more.timestampMs);
    for (const [index, value] of values.entries()) {
      this.written.push(`${this.topic.topicId}/${partition}/${start + index} ${value}`);
    }
  }

  /** Another process has landed a range further on. */
  async fill(partition: number, from: bigint, to: bigint): Promise<void> {
    const { engine, store } = await this.start();
    await engine.stop();
    const log = await openLandingLog(
      { store, table: "t", writer: "x", emit: () => undefined },
      signal,
    );
    const encoder = textFlushEncoder();
    const buffer = encoder.open();
    for (let at = from; at < to;) {
      const batch = this.topic.readAt(partition, at, undefined);
      assert.ok(batch?.kind === "batch");
      buffer.append(
        { topic: "t", topicId: this.topic.topicId, partition },
        batch.records.filter(({ offset }) => offset < to),
      );
      at = batch.nextOffset;
    }
    const encoded = await buffer.encode({ landedAtMs: 0, signal });
    const rows = encoded.partitions[0]?.rows ?? 0;
    const range = { partition, from, to, rows, dead: 0, md5Sum: 0n };
    const prepared = await log.prepare(
      {
        advances: [{ ...this.key, ranges: [range] }],
        columns: encoder.columns,
        files: encoded.files.map((local) => ({ ...local, suffix: ".txt", local })),
      },
      signal,
    );
    assert.equal((await log.commit(prepared, signal)).kind, "committed");
    await log.publish(prepared, signal);
  }

  /** Rows in published files, sorted. */
  rows(): string[] {
    return this.files()
      .flatMap(([, text]) => lines(text))
      .sort();
  }

  files(): (readonly [string, string])[] {
    return this.#named((path) => path.startsWith("dt="));
  }

  deadLetters(): string[] {
    return this.#named((path) => path.startsWith("_dead/")).flatMap(([, text]) => lines(text));
  }

  #named(wanted: (path: string) => boolean): (readonly [string, string])[] {
    const { tree } = this.disk;
    const paths = tree.paths().filter(wanted);
    return paths.map((path) => [path, String(tree.read(path))] as const);
  }

  async #log(): Promise<LandingLog> {
    const store = this.disk.open();
    const { emit } = collectEvents();
    return await openLandingLog({ store, table: "t", writer: "test", emit }, signal);
  }

  /** What killed processes committed is given its names, as a follower would do. */
  async publishLeft(): Promise<void> {
    const { clock } = this;
    const options = { store: this.disk.open(), emit: () => undefined, clock };
    await this.settled(sweepStaging(await this.#log(), options, signal));
  }

  async commits(): Promise<number> {
    return (await this.#log()).state.tip;
  }

  /** `partition from..to why` of every gap in the log. */
  async gaps(): Promise<string[]> {
    const log = await this.#log();
    const gaps: string[] = [];
    for await (const { commit } of log.readCommits({ after: 0, to: log.state.tip }, signal)) {
      for (const action of commit.actions) {
        if (action.do !== "gap") continue;
        gaps.push(`${action.partition} ${action.from}..${action.to} ${action.why}`);
      }
    }
    return gaps;
  }

  /** Lets time pass until the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    for (let tries = 0; !condition(); tries++) {
      assert.ok(tries < 1_000, `never came true; ${this.rows().length} rows`);
      await this.#turn();
      this.clock.advance(100);
    }
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await this.#turn();
      this.clock.advance(100);
    }
    await this.#turn();
  }

  /** Lets time pass until the promise has settled. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const watched = promise.finally(() => {
      isSettled = true;
    });
    watched.catch(() => undefined);
    await this.until(() => isSettled);
    return await watched;
  }

  /** Everything that was written is landed, each once. */
  async landed(): Promise<void> {
    await this.until(() => this.rows().length >= this.written.length);
    assert.deepEqual(this.rows(), this.written.toSorted());
  }

  /** Whatever needs no time is done. */
  async #turn(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  }
}

function lines(text: string): string[] {
  return text.split("\n").slice(0, -1);
}
