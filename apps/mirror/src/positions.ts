import { failpoint, retry, type Emit } from "@hybridge/core";
import type { ClusterOptions, PositionRun } from "@hybridge/kafka";
import {
  brokerError,
  buildBatch,
  encodePosition,
  encodeRecords,
  makeTopic,
  POSITIONS_TOPIC,
  produceApi,
  readAllPositions,
  readProduce,
  writeProduce,
  type Cluster,
  type PositionEntry,
} from "@hybridge/kafka/raw";
import { mirrorEvents } from "./events.ts";

const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;
/** Entries in one batch: some 200 bytes each. */
const ENTRIES_AT_ONCE = 2_000;

/** Whose runs they are. The ids tell a topic from one that was made again under its name. */
export type PositionOwner = Pick<
  PositionEntry,
  "sourceTopic" | "sourceTopicId" | "targetTopic" | "targetTopicId" | "partition"
>;

interface Run {
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  count: bigint;
  readonly isDeadLetter: boolean;
}

/** The positions of one partition: in memory at once, on the target within a moment. */
export class PartitionPositions {
  readonly owner: PositionOwner;
  readonly runs: Run[] = [];
  readonly deadLetters: Run[] = [];
  readonly #dirty = new Set<Run>();

  constructor(owner: PositionOwner) {
    this.owner = owner;
  }

  /** Source and target offset after the last known record. */
  get end(): { sourceOffset: bigint; targetOffset: bigint } | undefined {
    const last = this.runs.at(-1);
    return (
      last && {
        sourceOffset: last.sourceOffset + last.count,
        targetOffset: last.targetOffset + last.count,
      }
    );
  }

  /** Takes an entry that was read from the target. */
  load(entry: PositionEntry): void {
    const { sourceOffset, targetOffset, count, isDeadLetter } = entry;
    const run = { sourceOffset, targetOffset, count, isDeadLetter };
    (isDeadLetter ? this.deadLetters : this.runs).push(run);
  }

  add(sourceOffset: bigint, targetOffset: bigint, count: bigint): void {
    const last = this.runs.at(-1);
    if (
      last &&
      last.sourceOffset + last.count === sourceOffset &&
      last.targetOffset + last.count === targetOffset
    ) {
      last.count += count;
      this.#dirty.add(last);
      return;
    }
    const run = { sourceOffset, targetOffset, count, isDeadLetter: false };
    this.runs.push(run);
    this.#dirty.add(run);
  }

  addDeadLetter(sourceOffset: bigint): void {
    const run = { sourceOffset, targetOffset: -1n, count: 1n, isDeadLetter: true };
    this.deadLetters.push(run);
    this.#dirty.add(run);
  }

  isDeadLetter(sourceOffset: bigint): boolean {
    return this.deadLetters.some((run) => run.sourceOffset === sourceOffset);
  }

  /** The first target offset at or after a source offset; undefined beyond what is mirrored. */
  translate(sourceOffset: bigint): { targetOffset: bigint; exact: boolean } | undefined {
    const run = this.runs[firstRunEndingAfter(this.runs, sourceOffset)];
    if (!run) return undefined;
    if (sourceOffset < run.sourceOffset) return { targetOffset: run.targetOffset, exact: false };
    return { targetOffset: run.targetOffset + (sourceOffset - run.sourceOffset), exact: true };
  }

  /** Hands out what has changed; `restore` puts it back when it could not be written. */
  takeDirty(): { entries: PositionEntry[]; restore: () => void } {
    const runs = [...this.#dirty];
    this.#dirty.clear();
    return {
      entries: runs.map((run) => ({ ...this.owner, ...run })),
      restore: () => {
        for (const run of runs) this.#dirty.add(run);
      },
    };
  }
}

function firstRunEndingAfter(runs: readonly PositionRun[], sourceOffset: bigint): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const run = runs[middle];
    if (run && run.sourceOffset + run.count <= sourceOffset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** All partitions' positions, and the writer of their topic. */
export class Positions {
  readonly #cluster: Cluster;
  readonly #emit: Emit;
  readonly #partitions = new Set<PartitionPositions>();
  #stored: readonly PositionEntry[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, emit: Emit) {
    this.#cluster = cluster;
    this.#emit = emit;
  }

  /** Makes the topic if need be and reads what stands in it. */
  async open(target: ClusterOptions, signal: AbortSignal): Promise<void> {
    const wanted = {
      topic: POSITIONS_TOPIC,
      partitions: 1,
      config: { "cleanup.policy": "compact", "segment.bytes": String(16 << 20) },
    };
    await makeTopic(this.#cluster, wanted, signal);
    this.#stored = await readAllPositions(target, signal);
  }

  /** The positions of one partition; entries of deleted topics of the same names are left out. */
  of(owner: PositionOwner): PartitionPositions {
    const positions = new PartitionPositions(owner);
    for (const entry of this.#stored) {
      const isOwn =
        entry.sourceTopic === owner.sourceTopic &&
        entry.partition === owner.partition &&
        entry.sourceTopicId === owner.sourceTopicId &&
        entry.targetTopic === owner.targetTopic &&
        entry.targetTopicId === owner.targetTopicId;
      if (isOwn) positions.load(entry);
    }
    this.#partitions.add(positions);
    return positions;
  }

  /** Writes what has changed, after whatever is being written now. */
  async flush(signal: AbortSignal): Promise<void> {
    const before = this.#writing;
    this.#writing = before.catch(() => undefined).then(() => this.#write(signal));
    await this.#writing;
  }

  /** Flushes every `everyMs` until the signal is aborted; a failure is told and tried again. */
  async run(everyMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(everyMs, signal);
      await this.flush(signal).catch((error: unknown) => {
        if (!signal.aborted) this.#emit(mirrorEvents.positionsLate(error));
      });
    }
  }

  async #write(signal: AbortSignal): Promise<void> {
    const taken = [...this.#partitions].map((positions) => positions.takeDirty());
    const entries = taken.flatMap((part) => part.entries);
    if (entries.length === 0) return;
    failpoint("mirror.positions.before-write");
    try {
      for (let at = 0; at < entries.length; at += ENTRIES_AT_ONCE) {
        const batch = encode(entries.slice(at, at + ENTRIES_AT_ONCE));
        await retry(() => this.#produce(batch, signal), { signal, tries: 3 });
      }
    } catch (error) {
      for (const part of taken) part.restore();
      throw error;
    }
    failpoint("mirror.positions.after-write");
  }

  async #produce(batch: Buffer, signal: AbortSignal): Promise<void> {
    const at = { topic: POSITIONS_TOPIC, partition: 0 };
    const [answer] = await this.#cluster.askLeader(
      at,
      produceApi,
      () => writeProduce([{ ...at, batch }], 10_000),
      readProduce,
      signal,
    );
    if (answer?.error === 0) return;
    this.#cluster.forget(POSITIONS_TOPIC);
    throw brokerError("write positions", answer?.error ?? -1, answer?.message);
  }
}

function encode(entries: readonly PositionEntry[]): Buffer {
  const timestampMs = Date.now();
  const records = entries.map((entry) => ({ ...encodePosition(entry), headers: [], timestampMs }));
  return buildBatch(encodeRecords(records, timestampMs), {
    ...NOBODY,
    codec: 0,
    count: records.length,
    baseTimestamp: BigInt(timestampMs),
    maxTimestamp: BigInt(timestampMs),
  });
}

/** A sleep that ends early, without an error, when the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
