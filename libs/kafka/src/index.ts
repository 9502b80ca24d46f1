import { InvariantError } from "@hybridge/core";
import type { ClusterOptions, OpenFencedWriter, OpenReader, PositionRun } from "./api.ts";

export type * from "./api.ts";
export {
  BrokerError,
  FencedError,
  OffsetOutOfRangeError,
  RecordTooLargeError,
  UnknownTopicError,
} from "./errors.ts";

// The bodies arrive with the wire client; the signatures are settled.
const soon = (): never => {
  throw new InvariantError("not there yet");
};

export const openReader: OpenReader = soon;
export const openFencedWriter: OpenFencedWriter = soon;
export const ensureTopic: (
  cluster: ClusterOptions,
  wanted: { topic: string; partitions: number; config?: Record<string, string> },
  signal: AbortSignal,
) => Promise<void> = soon;
/** undefined: there is no such topic. */
export const partitionCount: (
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
) => Promise<number | undefined> = soon;
/** By partition; `end` is the last stable offset. */
export const readOffsets: (
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
) => Promise<ReadonlyMap<number, { start: bigint; end: bigint }>> = soon;
export const countRecords: (
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
) => Promise<bigint> = soon;
export const readPositions: (
  target: ClusterOptions,
  sourceTopic: string,
  signal: AbortSignal,
) => Promise<ReadonlyMap<number, readonly PositionRun[]>> = soon;
export const commitHint: (
  cluster: ClusterOptions,
  group: string,
  topic: string,
  offsets: ReadonlyMap<number, bigint>,
) => Promise<void> = soon;
