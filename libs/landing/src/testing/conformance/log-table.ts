import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, type Clock } from "@hybridge/core";
import { encodeCommit } from "../../log/commit-codec.ts";
import type { CommitContent } from "../../log/commit-content.ts";
import {
  openLandingLog,
  type CommitOutcome,
  type LandingLog,
  type PreparedCommit,
} from "../../log/landing-log.ts";
import { commitPath } from "../../log/paths.ts";
import type { Action, Commit, LandedRange, TopicKey } from "../../log/protocol.ts";
import { pathsOf } from "../../log/staging.ts";
import type { TableStore, LocalFile } from "../../store-port.ts";
import { faultyTableStore, type FaultyTableStore } from "../faulty-table-store.ts";

export const signal: AbortSignal = new AbortController().signal;
export const topic: TopicKey = {
  cluster: "c1",
  topic: "hybrid",
  topicId: "AAAAAAAAAAAAAAAAAAAAAQ",
};
export const COLUMNS = { id: "t1", names: ["id", "text"] };
export const START_MS = Date.UTC(2026, 10, 26, 14);

/** Time stands still unless a case moves it; waits are real ones, as the store is. */
export class MovableClock implements Clock {
  #now = START_MS;

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  sleep(ms: number, signalOfCall?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signalOfCall);
  }
}

/** A process that lands into the table. */
export interface Process {
  readonly store: FaultyTableStore;
  readonly log: LandingLog;
}

export interface Landed {
  readonly prepared: PreparedCommit;
  readonly commit: Commit;
  readonly number: number;
}

/** A table of its own for each case, and processes over it. */
export interface LogTable {
  readonly clock: MovableClock;
  /** What another process would have. */
  openStore(): FaultyTableStore;
  start(): Promise<Process>;
  /** A file on local disk. */
  local(content: string): Promise<LocalFile>;
  /** Content that advances partitions, with one file of rows. */
  flush(...ranges: readonly LandedRange[]): Promise<CommitContent>;
  /** Prepares and commits; asserts that it counts. */
  land(process: Process, content: CommitContent): Promise<Landed>;
  /** What a writer that does not look creates: a commit under a number, whatever the log says. */
  forge(
    number: number,
    log: string,
    actions: readonly Action[],
    over?: Partial<Commit>,
  ): Promise<Commit>;
}

export function logTable(openStore: () => TableStore, directory: string): LogTable {
  const clock = new MovableClock();
  const open = () => faultyTableStore(openStore());
  const local = async (content: string): Promise<LocalFile> => {
    const localPath = join(directory, randomUUID());
    await writeFile(localPath, content);
    const sha256 = createHash("sha256").update(content).digest("hex");
    return { localPath, bytes: Buffer.byteLength(content), sha256 };
  };
  return {
    clock,
    openStore: open,
    local,
    async start() {
      const store = open();
      const options = {
        store,
        table: "tweets",
        writer: "conformance",
        emit: () => undefined,
        clock,
      };
      return { store, log: await openLandingLog(options, signal) };
    },
    async flush(...ranges) {
      const rows = ranges.reduce((sum, range) => sum + range.rows, 0);
      const text = ranges.map(({ partition, from, to }) => `${partition}:${from}-${to}\n`).join("");
      const file = {
        dt: "2026-11-26",
        hr: "14",
        suffix: ".parquet",
        rows,
        local: await local(text),
      };
      return { advances: [{ ...topic, ranges }], columns: COLUMNS, files: [file] };
    },
    async land({ log }, content) {
      const prepared = await log.prepare(content, signal);
      const number = numberIn(await log.commit(prepared, signal));
      return { prepared, commit: prepared.commit, number };
    },
    async forge(number, log, actions, over = {}) {
      const id = randomBytes(16).toString("hex");
      const commit = {
        log,
        id,
        base: Math.max(0, number - 1),
        at: START_MS,
        writer: "forged",
        actions,
        ...over,
      };
      const outcome = await openStore().create(commitPath(number), encodeCommit(commit), signal);
      assert.equal(outcome, "created");
      return commit;
    },
  };
}

export function range(partition: number, from: number | bigint, to: number | bigint): LandedRange {
  const [low, high] = [BigInt(from), BigInt(to)];
  return { partition, from: low, to: high, rows: Number(high - low), dead: 0, md5Sum: 5n };
}

export function numberIn(outcome: CommitOutcome): number {
  assert.equal(outcome.kind, "committed", JSON.stringify(outcome, asText));
  return outcome.number;
}

/** The first hole as two numbers, the second -1 without an end. */
export function holeOf(log: LandingLog, partition: number, of: TopicKey = topic): [number, number] {
  const { from, to } = log.state.position(of, partition);
  return [Number(from), Number(to ?? -1n)];
}

export async function numbersOf(log: LandingLog, after = 0): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { number } of log.readCommits({ after, to: log.state.tip }, signal)) {
    numbers.push(number);
  }
  return numbers;
}

/** The path of the first file that a commit brings. */
export function firstPath(commit: Commit): string {
  const [path] = pathsOf(commit);
  assert.ok(path !== undefined, "the commit brings no file");
  return path;
}

export async function isThere(store: TableStore, path: string): Promise<boolean> {
  return (await store.size(path, signal)) !== undefined;
}

/** All names of a folder. */
export async function namesOf(store: TableStore, folder: string): Promise<string[]> {
  const names: string[] = [];
  for (let more = true; more;) {
    const page = await store.list(folder, names.at(-1) ?? "", signal);
    names.push(...page.names);
    more = page.more;
  }
  return names;
}

function asText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
