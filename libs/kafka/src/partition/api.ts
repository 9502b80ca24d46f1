import type { Emit, MonotonicClock } from "@hybridge/core";
import type { ClusterOptions, PartitionRecord } from "../api.ts";

/** Committed records of one partition, in order and without a gap to what came before. */
export interface PartitionBatch {
  readonly kind: "batch";
  readonly partition: number;
  /** Where this begins: `nextOffset` of the one before, or where the partition was added. */
  readonly from: bigint;
  /** May be empty, when only control records were passed or an end moved. */
  readonly records: readonly PartitionRecord[];
  /** Where reading goes on, past control records and what compaction took out. */
  readonly nextOffset: bigint;
  readonly logStartOffset: bigint;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  /** Unpacked bytes that the records take. */
  readonly bytes: number;
}

/** Why a partition is no longer read. */
export type PartitionFailureReason =
  /** The log does not hold `position`: it has `startOffset` to `endOffset` (exclusive). */
  | "out-of-range"
  /** A batch fails its CRC-32C, or does not hold what its header says, also when read again. */
  | "corrupt"
  /** The topic has another id than the partition was added with, or was seen with. */
  | "recreated"
  /** The leader lost records after they were read (unclean election): `endOffset` is where it parts. */
  | "diverged"
  /** The right to read is missing. */
  | "not-authorized"
  /** Anything else that trying again does not help against; see `error`. */
  | "other";

/** One partition stops, alone, and is no longer part of the source; it may be added again. */
export interface PartitionFailure {
  readonly kind: "failed";
  readonly partition: number;
  readonly reason: PartitionFailureReason;
  /** The offset that is to be read next; everything below was delivered. */
  readonly position: bigint;
  /** The partition and what is wrong with it, in words, with a code of docs/errors.md. */
  readonly error: Error;
  /** out-of-range: the first offset that the log has. */
  readonly startOffset?: bigint;
  /** out-of-range and diverged: the end of the log (exclusive). */
  readonly endOffset?: bigint;
  /**
   * corrupt: where the next batch begins, if that can be told: [position, skipTo) is what is lost
   * when reading goes on there.
   */
  readonly skipTo?: bigint;
  /** recreated: the id of the topic now, undefined when the broker has no ids. */
  readonly topicId?: string;
}

export type PartitionResult = PartitionBatch | PartitionFailure;

export interface PartitionsOptions {
  readonly cluster: ClusterOptions;
  readonly topic: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  readonly clock?: MonotonicClock;
  /**
   * Fetched bytes held in memory for all partitions, on their way ones excluded (another fetch per
   * broker, at most half of this); default 16 MiB.
   */
  readonly bufferBytesMax?: number;
}

/**
 * Reads committed records (read_committed, checksums verified) of partitions of one topic that come
 * and go. Iterate over it once: results of a partition come in order, those of different partitions
 * in turns; the iteration ends with the signal or when the source is disposed of, and never throws
 * for what happens to a partition, a broker or the topic. Buffers are views that may be empty after
 * the next step of the iteration: copy what is kept.
 */
export interface Partitions extends AsyncIterable<PartitionResult>, AsyncDisposable {
  /**
   * Begins to read a partition; one that is read already begins again at `offset`, and nothing of
   * before is delivered any more. "earliest" (or -1) is the first offset that the log has. With a
   * topic id, a topic that has another one fails as recreated before anything is read.
   */
  add(partition: number, offset: bigint | "earliest", topicId?: string): void;
  /** Stops; nothing of the partition is delivered after the call. */
  remove(partition: number): void;
  /** Holds results back without losing them; the other partitions go on. */
  pause(partition: number): void;
  resume(partition: number): void;
}

export type OpenPartitions = (options: PartitionsOptions) => Partitions;

/** What a topic is and how large. */
export interface TopicIdentity {
  readonly topic: string;
  /** 32 hex digits; undefined before broker 2.8, which has no ids. */
  readonly topicId: string | undefined;
  readonly partitions: number;
}

export type TopicChange =
  /** The first sight of the topic, also one that was missing at first, or one that came back. */
  | { readonly kind: "found"; readonly topic: TopicIdentity }
  | { readonly kind: "grown"; readonly topic: TopicIdentity; readonly from: number }
  /** Another topic of the same name. */
  | {
      readonly kind: "recreated";
      readonly topic: TopicIdentity;
      readonly formerId: string | undefined;
    }
  | { readonly kind: "deleted"; readonly topic: TopicIdentity };

export interface TopicWatchOptions {
  readonly cluster: ClusterOptions;
  readonly topics: readonly string[];
  /** Ends the watch. */
  readonly signal: AbortSignal;
  readonly emit: Emit;
  readonly onChange: (change: TopicChange) => void;
  readonly clock?: MonotonicClock;
  /** Default 2 s: what changes is told within 5 s. */
  readonly intervalMs?: number;
}

/** What is remembered of a place in a log to know the log again where topics have no ids. */
export interface LogFingerprint {
  /** Base offset of the batch that holds the offset asked for. */
  readonly baseOffset: bigint;
  /** Its CRC-32C, as it stands in the header. */
  readonly crc: number;
}
