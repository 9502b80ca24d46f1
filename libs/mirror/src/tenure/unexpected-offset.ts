import { ForeignWriterError, readBatches, type Cluster } from "@hybridge/kafka/raw";
import type { Route } from "../route.ts";

/**
 * Why an acknowledged batch does not stand where the log had ended: the error of a foreign writer,
 * or undefined when nothing but markers stands between. Those cost nothing: a coordinator that does
 * not get an answer writes the marker of one fence again.
 */
export async function explainUnexpectedOffset(
  target: Cluster,
  { targetTopic: topic, partition }: Route,
  { expected, found }: { readonly expected: bigint; readonly found: bigint },
  signal: AbortSignal,
): Promise<ForeignWriterError | undefined> {
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
