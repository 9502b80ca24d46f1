import type { ClusterOptions, PositionRun } from "@hybridge/kafka";
import { withCluster } from "@hybridge/kafka/raw";
import { isOfVersion1, type PositionEntry } from "./format.ts";
import { PositionLedger } from "./ledger.ts";
import { isOf, resolve, StoredPositions } from "./stored-positions.ts";

/** Where the records of one partition stand in the target. */
export interface MirroredPartition {
  /** Without gaps, in the order of the source. */
  readonly runs: readonly PositionRun[];
  /** Of the topic that they were read from: a topic made anew has another one. */
  readonly sourceTopicId: string;
  /** Where they were written to; a mirror may give topics other names. */
  readonly targetTopic: string;
}

/** What is asked for. */
export interface MirroredTopic {
  readonly sourceTopic: string;
  /** The cluster that it is mirrored from: others may be mirrored to the same target. Default: any. */
  readonly source?: ClusterOptions | undefined;
}

/**
 * Where the records of a mirrored topic stand in the target, by partition. Runs of topics that
 * were deleted and created again are left out, as soon as the new topic has some.
 */
export async function readPositions(
  target: ClusterOptions,
  { sourceTopic, source }: MirroredTopic,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, MirroredPartition>> {
  const sourceId = source && (await clusterIdOf(source, signal));
  const entries = await withCluster(target, signal, async (cluster) => {
    const stored = new StoredPositions(cluster, {
      isWanted: (scope) =>
        scope.sourceTopic === sourceTopic &&
        (sourceId === undefined || isOfVersion1(scope) || scope.sourceClusterId === sourceId),
    });
    await stored.readOn(signal);
    return stored.all();
  });
  const byPartition = Map.groupBy(entries, ({ scope }) => scope.partition);
  return new Map([...byPartition].map(([partition, list]) => [partition, mirroredOf(list)]));
}

function mirroredOf(entries: readonly PositionEntry[]): MirroredPartition {
  // Whoever wrote last writes about the topic that exists; version 1 says less about whose it is.
  const newest = entries.findLast(({ scope }) => !isOfVersion1(scope)) ?? entries.at(-1);
  const scope = newest?.scope as PositionEntry["scope"];
  const ledger = new PositionLedger(scope);
  const mine = entries.filter((entry) => isOf(entry, scope));
  for (const isFirst of [false, true]) {
    const some = mine.filter((entry) => isOfVersion1(entry.scope) === isFirst);
    for (const { entry } of resolve(some)) {
      if (!entry.isDeadLetter) ledger.adopt(entry);
    }
  }
  const { sourceTopicId, targetTopic } = scope;
  return { runs: ledger.runs, sourceTopicId, targetTopic };
}

async function clusterIdOf(options: ClusterOptions, signal: AbortSignal): Promise<string> {
  return await withCluster(options, signal, async (cluster) => {
    return (await cluster.describe([], signal)).clusterId;
  });
}
