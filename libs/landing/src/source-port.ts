// What a warehouse gives an engine to read from: @hybridge/kafka/groups fits, and so does the fake.
import type { FlushRecord } from "./encoder-port.ts";

/** Committed records of one partition, in order and without a gap to what came before. */
export interface SourceBatch {
  readonly kind: "batch";
  readonly partition: number;
  readonly from: bigint;
  /** Buffers are views that may be empty after the next step: who keeps them copies them. */
  readonly records: readonly FlushRecord[];
  /** Where reading goes on, past records that are not data. */
  readonly nextOffset: bigint;
  readonly lastStableOffset: bigint;
  readonly bytes: number;
}

/** A partition is read no more, alone, until it is added again. */
export interface SourceFailure {
  readonly kind: "failed";
  readonly partition: number;
  readonly reason:
    "out-of-range" | "corrupt" | "recreated" | "diverged" | "not-authorized" | "other";
  /** The offset that was to be read next. */
  readonly position: bigint;
  readonly error: Error;
  /** out-of-range: the first offset that the partition has. */
  readonly startOffset?: bigint;
  /** out-of-range and diverged: its end (exclusive). */
  readonly endOffset?: bigint;
  /** corrupt: where the next batch begins, if that can be told. */
  readonly skipTo?: bigint;
}

/** Partitions of one topic that come and go. The iteration ends when the source is disposed of. */
export interface LandingSource extends AsyncIterable<SourceBatch | SourceFailure>, AsyncDisposable {
  /**
   * Begins to read a partition, or begins again at `offset`; nothing of before is delivered any
   * more. A topic that has another id fails as recreated before anything is read.
   */
  add(partition: number, offset: bigint, topicId?: string): void;
  /** Nothing of the partition is delivered after the call. */
  remove(partition: number): void;
}
