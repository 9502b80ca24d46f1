import { describeError, failpoint, retry, type Clock, type Emit } from "@hybridge/core";
import {
  brokerError,
  buildBatch,
  encodePause,
  encodePosition,
  encodeRecords,
  makeTopic,
  POSITIONS_TOPIC,
  produceApi,
  readProduce,
  StoredPositions,
  writeProduce,
  type Cluster,
  type Fence,
} from "@hybridge/kafka/raw";
import { mirrorEvents } from "../events.ts";
import { PositionLedger, type PositionOwner } from "./ledger.ts";

const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;
/** Entries in one batch: some 200 bytes each. */
const ENTRIES_AT_ONCE = 2_000;

/** A partition of a source topic. */
type SourcePartition = Pick<PositionOwner, "sourceTopic" | "partition">;

/** All partitions' positions and pauses, and the writer of their topic. */
export class Positions {
  readonly #cluster: Cluster;
  readonly #emit: Emit;
  readonly #clock: Clock;
  readonly #partitions = new Map<string, PositionLedger>();
  readonly #pauses = new Map<string, number>();
  readonly #stored: StoredPositions;
  #writing: Promise<void> = Promise.resolve();
  #reading: Promise<void> = Promise.resolve();
  #nextReading: Promise<void> | undefined;
  #reason: string | undefined;

  constructor(cluster: Cluster, emit: Emit, clock: Clock) {
    this.#cluster = cluster;
    this.#emit = emit;
    this.#clock = clock;
    this.#stored = new StoredPositions(cluster);
  }

  /** Why positions are not written at the moment; undefined when they are. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Makes the topic if need be and reads what stands in it. */
  async open(signal: AbortSignal): Promise<void> {
    const wanted = {
      topic: POSITIONS_TOPIC,
      partitions: 1,
      config: { "cleanup.policy": "compact", "segment.bytes": String(16 << 20) },
    };
    await makeTopic(this.#cluster, wanted, signal);
    await this.readOn(signal);
    for (const pause of this.#stored.pauses) this.#pauses.set(keyOf(pause), pause.sinceMs);
  }

  /** Reads what was written since, up to now; those who ask meanwhile share the next reading. */
  async readOn(signal: AbortSignal): Promise<void> {
    this.#nextReading ??= this.#reading
      .catch(() => undefined)
      .then(() => {
        this.#nextReading = undefined;
        // Not the caller's signal: others wait for the same. The requests have their time-outs.
        this.#reading = this.#stored.readOn(new AbortController().signal);
        return this.#reading;
      });
    await this.#nextReading;
    signal.throwIfAborted();
  }

  /**
   * The positions of one partition; entries of deleted topics of the same names are left out. What
   * is in memory counts as long as nobody else has owned the partition since, else what was read.
   */
  of(owner: PositionOwner, fence?: Fence): PositionLedger {
    const key = `${keyOf(owner)}/${owner.sourceTopicId}/${owner.targetTopic}/${owner.targetTopicId}`;
    const existing = this.#partitions.get(key);
    if (existing && fence?.isContinued !== false) {
      if (fence) existing.renewed(fence.producerEpoch);
      return existing;
    }
    const positions = new PositionLedger(owner, fence?.producerEpoch);
    const entries = this.#stored.of(owner.sourceTopic, owner.partition);
    for (const entry of entries.toSorted((a, b) => (a.sourceOffset < b.sourceOffset ? -1 : 1))) {
      if (entry.sourceTopicId === owner.sourceTopicId && isSameTarget(entry, owner)) {
        positions.load(entry);
      }
    }
    this.#partitions.set(key, positions);
    return positions;
  }

  /**
   * Where that ends in the target which came from earlier source topics of the same name: they
   * were deleted, and the topic created again. Undefined when nothing is known of such.
   */
  formerEnd(owner: PositionOwner): bigint | undefined {
    const ends = [...this.#partitions.values()]
      .filter((former) => keyOf(former.owner) === keyOf(owner))
      .flatMap((former) => former.runs.map((run) => ({ ...former.owner, ...run })))
      .concat(this.#stored.of(owner.sourceTopic, owner.partition))
      .filter((run) => run.sourceTopicId !== owner.sourceTopicId && isSameTarget(run, owner))
      .filter((run) => !run.isDeadLetter)
      .map((run) => run.targetOffset + run.count);
    return ends.reduce<bigint | undefined>(
      (most, end) => (most === undefined || end > most ? end : most),
      undefined,
    );
  }

  /** When an operator paused the partition; undefined when it is not paused. */
  pausedSince(at: SourcePartition): number | undefined {
    return this.#pauses.get(keyOf(at));
  }

  /** Writes down that partitions are paused, or (with undefined) are not any more. */
  async writePause(
    list: readonly SourcePartition[],
    sinceMs: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (list.length === 0) return;
    const batch = encode(
      list.map((at) => encodePause(at, sinceMs)),
      this.#clock.now(),
    );
    await retry(() => this.#produce(batch, signal), { signal, tries: 3 });
    for (const at of list) {
      if (sinceMs === undefined) this.#pauses.delete(keyOf(at));
      else this.#pauses.set(keyOf(at), sinceMs);
    }
    failpoint("mirror.pause.written");
  }

  /** Writes what has changed, after whatever is being written now. */
  async flush(signal: AbortSignal): Promise<void> {
    const before = this.#writing;
    this.#writing = before.catch(() => undefined).then(() => this.#write(signal));
    await this.#writing;
  }

  /** Flushes every `everyMs` until the signal is aborted; a failure is told and tried again. */
  async run(everyMs: number, signal: AbortSignal): Promise<void> {
    const isStopped = () => signal.aborted;
    while (!isStopped()) {
      await this.#clock.sleep(everyMs, signal).catch(() => undefined);
      try {
        await this.flush(signal);
        this.#reason = undefined;
      } catch (error) {
        if (isStopped()) return;
        if (this.#reason === undefined) this.#emit(mirrorEvents.positionsLate(error));
        this.#reason = `positions cannot be written: ${describeError(error)}`;
      }
    }
  }

  async #write(signal: AbortSignal): Promise<void> {
    const taken = [...this.#partitions.values()].map((positions) => positions.takeDirty());
    const entries = taken.flatMap((part) => part.entries);
    if (entries.length === 0) return;
    failpoint("mirror.positions.before-write");
    try {
      for (let at = 0; at < entries.length; at += ENTRIES_AT_ONCE) {
        const some = entries.slice(at, at + ENTRIES_AT_ONCE).map(encodePosition);
        const batch = encode(some, this.#clock.now());
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
    const need = { operation: "Write", name: POSITIONS_TOPIC } as const;
    throw brokerError("write positions", answer?.error ?? -1, answer?.message, need);
  }
}

function keyOf({ sourceTopic, partition }: SourcePartition): string {
  return `${sourceTopic}/${partition}`;
}

function isSameTarget(a: PositionOwner, b: PositionOwner): boolean {
  return a.targetTopic === b.targetTopic && a.targetTopicId === b.targetTopicId;
}

function encode(
  entries: readonly { key: Buffer; value: Buffer | null }[],
  timestampMs: number,
): Buffer {
  const records = entries.map((entry) => ({ ...entry, headers: [], timestampMs }));
  return buildBatch(encodeRecords(records, timestampMs), {
    ...NOBODY,
    codec: 0,
    count: records.length,
    baseTimestamp: BigInt(timestampMs),
    maxTimestamp: BigInt(timestampMs),
  });
}
