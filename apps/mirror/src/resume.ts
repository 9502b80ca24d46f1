import {
  isSameRecord,
  readBatches,
  scanRecords,
  type Batch,
  type Cluster,
  type RawRecord,
} from "@hybridge/kafka/raw";
import { TargetDivergedError } from "./errors.ts";
import type { Route } from "./events.ts";
import type { PartitionPositions } from "./positions.ts";

/** What the tail of the target is compared with, and between which offsets. */
export interface Tail {
  readonly source: Cluster;
  readonly target: Cluster;
  readonly route: Route;
  readonly positions: PartitionPositions;
  /** The first source offset whose record is not known to be in the target. */
  readonly sourceFrom: bigint;
  readonly targetFrom: bigint;
  /** Behind the fence: nothing of an earlier owner can come after it. */
  readonly targetEnd: bigint;
  /** The source no longer holds what came before `sourceFrom`: the target's tail may begin with it. */
  readonly sourceWasCut: boolean;
}

/**
 * Finds out how much of the source is in the target already: from the last written position on,
 * the target's batches are compared with the source's until the target ends. The target log is
 * thereby the checkpoint, and what is written about it needs no care.
 *
 * Batches that went across as they were are compared by count, time and payload checksum, from
 * their headers alone; others record by record. What is found is added to the positions.
 *
 * @returns the source offset to go on from
 * @throws TargetDivergedError when the target holds something else
 */
export async function compareTail(tail: Tail, signal: AbortSignal): Promise<bigint> {
  const { route, positions } = tail;
  let next = tail.sourceFrom;
  const targetBatches = readBatches(
    tail.target,
    {
      topic: route.targetTopic,
      partition: route.partition,
      from: tail.targetFrom,
      to: tail.targetEnd,
      committedOnly: false,
    },
    signal,
  );
  let source: SourceCursor | undefined;
  let skipUnknown = tail.sourceWasCut;
  for await (const batch of targetBatches) {
    if (batch.count === 0) continue;
    source ??= await SourceCursor.open(tail, signal);
    if (source.matchesWhole(batch)) {
      positions.add(source.offset, batch.baseOffset, BigInt(batch.count));
      next = source.nextBatch();
      await source.fill();
      skipUnknown = false;
      continue;
    }
    for (const record of scanRecords(batch)) {
      if (record.offset < tail.targetFrom) continue;
      const match = await source.match(record);
      if (match === undefined && skipUnknown) continue;
      if (match === undefined) throw diverged(tail, record, source);
      skipUnknown = false;
      positions.add(match, record.offset, 1n);
      next = match + 1n;
    }
  }
  await source?.close();
  return next;
}

function diverged(tail: Tail, record: RawRecord, source: SourceCursor): TargetDivergedError {
  const { targetTopic, sourceTopic, partition } = tail.route;
  return new TargetDivergedError(
    `compare the end of ${targetTopic}-${partition} with ${sourceTopic}-${partition}: ` +
      `the record at target offset ${record.offset} is not ` +
      (source.isAtEnd
        ? "in the source, which ends before it"
        : `the one at source offset ${source.offset}`) +
      "; check whether something else writes to the target topic, or the source topic was changed",
  );
}

/** The committed records of the source, one batch at a time. */
class SourceCursor {
  readonly #batches: AsyncGenerator<Batch>;
  readonly #from: bigint;
  readonly #positions: PartitionPositions;
  #batch: Batch | undefined;
  #records: RawRecord[] | undefined;
  #index = 0;

  private constructor(tail: Tail, signal: AbortSignal) {
    this.#from = tail.sourceFrom;
    this.#positions = tail.positions;
    this.#batches = readBatches(
      tail.source,
      {
        topic: tail.route.sourceTopic,
        partition: tail.route.partition,
        from: tail.sourceFrom,
        committedOnly: true,
      },
      signal,
    );
  }

  static async open(tail: Tail, signal: AbortSignal): Promise<SourceCursor> {
    const cursor = new SourceCursor(tail, signal);
    await cursor.fill();
    return cursor;
  }

  get isAtEnd(): boolean {
    return this.#batch === undefined;
  }

  get offset(): bigint {
    return this.#records?.[this.#index]?.offset ?? this.#batch?.baseOffset ?? -1n;
  }

  /** True when the whole current batch went across as this one. */
  matchesWhole(target: Batch): boolean {
    const batch = this.#batch;
    if (!batch || this.#records !== undefined || batch.isLogAppendTime) return false;
    return (
      batch.isDense &&
      batch.baseOffset >= this.#from &&
      batch.count === target.count &&
      batch.bytes.length === target.bytes.length &&
      batch.baseTimestamp === target.baseTimestamp &&
      batch.payloadCrc === target.payloadCrc
    );
  }

  /** Leaves the current batch; the offset after it. */
  nextBatch(): bigint {
    const next = (this.#batch?.lastOffset ?? 0n) + 1n;
    this.#batch = undefined;
    this.#records = undefined;
    return next;
  }

  /** Takes the current record if it is this one; its source offset. */
  async match(record: RawRecord): Promise<bigint | undefined> {
    for (;;) {
      if (!this.#batch) return undefined;
      this.#records ??= scanRecords(this.#batch).filter(
        ({ offset }) => offset >= this.#from && !this.#positions.isDeadLetter(offset),
      );
      const current = this.#records[this.#index];
      if (current) {
        if (!isSameRecord(current, record)) return undefined;
        this.#index += 1;
        if (this.#index === this.#records.length) await this.#turn();
        return current.offset;
      }
      await this.#turn();
    }
  }

  /** Reads batches until one has records. */
  async fill(): Promise<void> {
    while (!this.#batch) {
      const { value, done } = (await this.#batches.next()) as IteratorResult<Batch, undefined>;
      if (done) return;
      if (value.count > 0) this.#batch = value;
    }
  }

  async close(): Promise<void> {
    await this.#batches.return(undefined);
  }

  async #turn(): Promise<void> {
    this.#index = 0;
    this.nextBatch();
    await this.fill();
  }
}
