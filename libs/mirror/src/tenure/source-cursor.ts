import {
  isSameRecord,
  MalformedError,
  readBatches,
  scanRecords,
  type Batch,
  type RawRecord,
} from "@hybridge/kafka/raw";
import type { PositionLedger } from "../positions/ledger.ts";
import type { Tail } from "./tail.ts";

interface SourceRecord extends RawRecord {
  readonly epoch: number;
}

/** A batch that cannot be looked into went to the dead letters: nothing of it is in the target. */
function recordsOf(batch: Batch): RawRecord[] {
  try {
    return scanRecords(batch);
  } catch (error) {
    if (error instanceof MalformedError) return [];
    throw error;
  }
}

/** The committed records of the source that are not dead letters: by batches, or one by one. */
export class SourceCursor implements AsyncDisposable {
  readonly #batches: AsyncGenerator<Batch>;
  readonly #from: bigint;
  readonly #ledger: PositionLedger;
  /** Read, and nothing of it taken. */
  #batch: Batch | undefined;
  /** Scanned, from `#index` on. While there are some, the batch waits behind them. */
  #records: SourceRecord[] = [];
  #index = 0;

  constructor({ source, route, ledger, sourceFrom, sourceStart }: Tail, signal: AbortSignal) {
    this.#from = sourceFrom > sourceStart ? sourceFrom : sourceStart;
    this.#ledger = ledger;
    const at = { topic: route.sourceTopic, partition: route.partition, from: this.#from };
    this.#batches = readBatches(source, { ...at, committedOnly: true }, signal);
  }

  /** The source offset that the current batch begins with. */
  get offset(): bigint {
    return this.#batch?.baseOffset ?? -1n;
  }

  get epoch(): number {
    return this.#batch?.leaderEpoch ?? -1;
  }

  /** True when the whole current batch went across as this one. */
  async matchesWhole(target: Batch): Promise<boolean> {
    if (this.#index < this.#records.length) return false;
    await this.#fill();
    const batch = this.#batch;
    if (!batch || batch.isLogAppendTime) return false;
    return (
      batch.isDense &&
      batch.baseOffset >= this.#from &&
      batch.count === target.count &&
      batch.bytes.length === target.bytes.length &&
      batch.baseTimestamp === target.baseTimestamp &&
      batch.payloadCrc === target.payloadCrc
    );
  }

  /** Leaves the current batch behind. */
  nextBatch(): void {
    this.#batch = undefined;
  }

  /** The record that comes next, or the `ahead`th after it; undefined behind the end. */
  async peek(ahead = 0): Promise<SourceRecord | undefined> {
    while (this.#records.length - this.#index <= ahead) {
      await this.#fill();
      const batch = this.#batch;
      if (!batch) return undefined;
      this.#batch = undefined;
      const records = recordsOf(batch)
        .filter(({ offset }) => offset >= this.#from && !this.#ledger.isDeadLetter(offset))
        .map((record) => ({ ...record, epoch: batch.leaderEpoch }));
      this.#records = [...this.#records.slice(this.#index), ...records];
      this.#index = 0;
    }
    return this.#records[this.#index + ahead];
  }

  /** Takes the record that is this one, and up to `skippable` records before it, `likely` so many. */
  async take(
    record: RawRecord,
    skippable: bigint,
    likely: bigint,
  ): Promise<SourceRecord | undefined> {
    const isPossible = likely > 0n && likely <= skippable;
    const match = isPossible ? await this.#takeAt(record, Number(likely)) : undefined;
    if (match) return match;
    for (let ahead = 0; ahead <= skippable && (await this.peek(ahead)); ahead++) {
      const other = await this.#takeAt(record, ahead);
      if (other) return other;
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#batches.return(undefined);
  }

  async #takeAt(record: RawRecord, ahead: number): Promise<SourceRecord | undefined> {
    const candidate = await this.peek(ahead);
    if (!candidate || !isSameRecord(candidate, record)) return undefined;
    this.#index += ahead + 1;
    return candidate;
  }

  /** Reads on until a batch has records that count. */
  async #fill(): Promise<void> {
    while (!this.#batch) {
      const { value, done } = (await this.#batches.next()) as IteratorResult<Batch, undefined>;
      if (done) return;
      // A batch that was put aside as a whole cannot be scanned: that is why it was.
      const { baseOffset, lastOffset } = value;
      const isAside =
        this.#ledger.isDeadLetter(baseOffset) && this.#ledger.isDeadLetter(lastOffset);
      if (value.count > 0 && !isAside) this.#batch = value;
    }
  }
}
