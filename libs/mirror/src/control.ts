import { FencedError, UnknownTopicError } from "@hybridge/kafka";
import type { PartitionMirror } from "./partition.ts";
import type { Positions } from "./positions/positions.ts";

/** Partitions of a source topic; all of it when none is named, all topics when there is no name. */
export interface Selection {
  readonly sourceTopic: string;
  readonly partitions: readonly number[];
}

/** @throws UnknownTopicError that names what is not mirrored here */
export function select(
  attempt: string,
  mirrored: readonly PartitionMirror[],
  { sourceTopic, partitions }: Selection,
): PartitionMirror[] {
  const ofTopic = mirrored.filter(
    ({ route }) => sourceTopic === "" || route.sourceTopic === sourceTopic,
  );
  if (sourceTopic !== "" && ofTopic.length === 0) throw unknown(attempt, `topic ${sourceTopic}`);
  if (partitions.length === 0) return ofTopic;
  const wanted = [...new Set(partitions)].map((number) => {
    const found = ofTopic.find(({ route }) => route.partition === number);
    if (!found || sourceTopic === "") throw unknown(attempt, `${sourceTopic}-${number}`);
    return found;
  });
  return wanted;
}

/** Pauses partitions, and keeps that they are; resolves when they are at rest. */
export async function pause(
  partitions: readonly PartitionMirror[],
  positions: Positions,
  sinceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const ours = partitions.filter(({ isFenced }) => !isFenced);
  const running = ours.filter(({ isPaused }) => !isPaused);
  // First it is written down: a pause that was answered must not end with the process.
  await positions.writePause(
    running.map(({ route }) => route),
    sinceMs,
    signal,
  );
  await Promise.all(ours.map((partition) => partition.pause(sinceMs, signal)));
}

/**
 * Lets partitions go on; those that have failed are tried again.
 *
 * @throws FencedError when another mirror took all of them over
 */
export async function resume(
  partitions: readonly PartitionMirror[],
  positions: Positions,
  signal: AbortSignal,
): Promise<void> {
  const ours = partitions.filter(({ isFenced }) => !isFenced);
  const [first] = partitions;
  if (first && ours.length === 0) {
    const { sourceTopic, partition } = first.route;
    throw new FencedError(
      `resume ${sourceTopic}-${partition}: another mirror with the same HYBRIDGE_MIRROR_ID took it over; stop that one and start this one again`,
      { cause: first.error },
    );
  }
  const paused = ours.filter(({ isPaused }) => isPaused);
  await positions.writePause(
    paused.map(({ route }) => route),
    undefined,
    signal,
  );
  for (const partition of ours) partition.resume();
}

function unknown(attempt: string, what: string): UnknownTopicError {
  return new UnknownTopicError(`${attempt} ${what}: it is not mirrored here`);
}
