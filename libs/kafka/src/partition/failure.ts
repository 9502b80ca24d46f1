import {
  LogDivergedError,
  NotAuthorizedError,
  OffsetOutOfRangeError,
  TopicRecreatedError,
} from "../errors.ts";
import type { PartitionFailure } from "./api.ts";
import { isDamage } from "./held.ts";

/** Why a partition stops, with what is known of it. */
export function failureOf(
  partition: number,
  position: bigint,
  error: Error,
  skipTo?: bigint,
): PartitionFailure {
  const common = { kind: "failed", partition, position, error } as const;
  if (error instanceof OffsetOutOfRangeError) {
    const { startOffset, endOffset } = error;
    return { ...common, reason: "out-of-range", startOffset, endOffset };
  }
  if (error instanceof TopicRecreatedError) {
    const { topicId } = error;
    return { ...common, reason: "recreated", ...(topicId === undefined ? {} : { topicId }) };
  }
  if (error instanceof LogDivergedError) {
    const { endOffset } = error;
    return { ...common, reason: "diverged", ...(endOffset === undefined ? {} : { endOffset }) };
  }
  if (error instanceof NotAuthorizedError) return { ...common, reason: "not-authorized" };
  if (isDamage(error)) {
    return { ...common, reason: "corrupt", ...(skipTo === undefined ? {} : { skipTo }) };
  }
  return { ...common, reason: "other" };
}
