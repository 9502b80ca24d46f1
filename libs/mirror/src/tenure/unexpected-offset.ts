import { ForeignWriterError, readBatches, type Cluster } from "@hybridge/kafka/raw";
import type { Route } from "../route.ts";

/** What was expected of a batch, and what was answered. */
export interface UnexpectedOffset {
  /** The topic that it was sent to. */
  readonly topicId: string;
  readonly expected: bigint;
  readonly found: bigint;
}

/**
 * Why an acknowledged batch does not stand where the log had ended: the error of a foreign writer,
 * or undefined when it is not that one's log any more (the topic was deleted and made again), or when
 * nothing but markers stands between. Those cost nothing: a coordinator that does not get an answer
 * writes the marker of one fence again.
 */
export async function explainUnexpectedOffset(
  target: Cluster,
  { targetTopic: topic, partition }: Route,
  { topicId, expected, found }: UnexpectedOffset,
  signal: AbortSignal,
): Promise<ForeignWriterError | undefined> {
  if ((await target.topic(topic, signal)).id !== topicId) return undefined;
  const at = { topic, partition, from: expected, to: found, committedOnly: false };
  if (found > expected && (await holdsOnlyMarkers(target, at, signal))) return undefined;
  return new ForeignWriterError(
    `append to ${topic}-${partition}: the batch stands at offset ${found}, not at ${expected}: something else writes to this partition`,
  );
}

async function holdsOnlyMarkers(
  target: Cluster,
  at: Parameters<typeof readBatches>[1],
  signal: AbortSignal,
): Promise<boolean> {
  for await (const { count } of readBatches(target, at, signal)) if (count > 0) return false;
  return true;
}
