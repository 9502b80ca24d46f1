import type { Emit, MonotonicClock } from "@hybridge/core";
import type { FlushEncoder } from "../encoder-port.ts";
import type { FlushObserver, WriteDeadLetters } from "../flush/flusher.ts";
import type { TopicKey } from "../log/protocol.ts";
import type { LandingLog } from "../log/landing-log.ts";
import type { LandingSource } from "../source-port.ts";

/** When a flush begins, and how much it may hold. */
export interface FlushLimits {
  /** Wall clock since the first record of the flush was read. */
  readonly intervalMs: number;
  /** Bytes that the open buffer may take; a flush under way has as many again. */
  readonly bufferBytesMax: number;
  readonly recordsMax: number;
}

/** What to do where offsets cannot be read as they come. "stop" stops the partition, alone. */
export interface LandingPolicies {
  /** The source has deleted records before they were landed. */
  readonly gap: "continue" | "stop";
  /** The topic was deleted and made again: land the new one from its beginning, or stop. */
  readonly recreation: "continue" | "stop";
  /** A batch fails its checksum, also when it is read again: leave it out, or stop. */
  readonly corruption: "skip" | "stop";
}

export interface EngineOptions {
  /** The topic as it is now. */
  readonly topic: TopicKey;
  readonly log: LandingLog;
  readonly encoder: FlushEncoder;
  readonly writeDeadLetters: WriteDeadLetters;
  /** Called once. */
  readonly openSource: (signal: AbortSignal) => LandingSource;
  readonly limits: FlushLimits;
  readonly policies: LandingPolicies;
  readonly emit: Emit;
  readonly clock?: MonotonicClock;
  /** From 0 up to 1. */
  readonly random?: () => number;
  /** Offsets that the log has now, as hints for tools. */
  readonly onLanded?: (offsets: readonly { partition: number; offset: bigint }[]) => void;
  /** Runs while this process has partition 0: what one process does for all of the table. */
  readonly lead?: (signal: AbortSignal) => Promise<void>;
  /** Told of partitions before they are read for the first time; may commit to the log. */
  readonly takeOver?: (partitions: readonly number[], signal: AbortSignal) => Promise<void>;
  /** Watches each flush, for traces. */
  readonly observe?: () => FlushObserver;
}
