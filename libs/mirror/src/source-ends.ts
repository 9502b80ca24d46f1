import type { MonotonicClock } from "@hybridge/core";
import { endsOf, readBatches, type Cluster } from "@hybridge/kafka/raw";
import type { PartitionMirror } from "./partition.ts";
import { RetentionWatch } from "./retention-watch.ts";

/**
 * Asks where the source partitions end, so that the lag is right also of those that nobody reads:
 * paused, failed, waiting for the target. One request per topic and broker. A source that is away
 * is told about by those who read it.
 */
export async function refreshEnds(
  source: Cluster,
  partitions: readonly PartitionMirror[],
  signal: AbortSignal,
): Promise<void> {
  for (const [topic, list] of Map.groupBy(partitions, ({ route }) => route.sourceTopic)) {
    const ends = await endsOf(source, topic, signal).catch(() => new Map<number, bigint>());
    await Promise.all(list.map((partition) => partition.locate(signal).catch(() => undefined)));
    for (const partition of list) partition.observeEnd(ends.get(partition.route.partition));
    for (const partition of list) {
      if (partition.lacksAge) await lookAtOldest(source, partition, signal).catch(() => undefined);
    }
  }
}

/** Nothing tells how old the lag is but the record that it begins with. */
async function lookAtOldest(
  source: Cluster,
  partition: PartitionMirror,
  signal: AbortSignal,
): Promise<void> {
  const { sourceTopic: topic, partition: number } = partition.route;
  const at = { topic, partition: number, from: partition.sourceOffset, committedOnly: true };
  for await (const batch of readBatches(source, at, signal)) {
    partition.agedBy(Number(batch.maxTimestamp));
    return;
  }
}

/** Does so every `everyMs` until the signal is aborted, for those that say nothing themselves. */
export async function followEnds(
  source: Cluster,
  all: () => Iterable<PartitionMirror>,
  isStalled: () => boolean,
  { clock, everyMs }: { readonly clock: MonotonicClock; readonly everyMs: number },
  signal: AbortSignal,
): Promise<void> {
  const retention = new RetentionWatch(source, clock);
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal).catch(() => undefined);
    const isReadByNobody = (partition: PartitionMirror) =>
      isStalled() || partition.state !== "MIRRORING" || partition.lag > 0n;
    const [unread, read] = [[], []] as [PartitionMirror[], PartitionMirror[]];
    for (const partition of all()) (isReadByNobody(partition) ? unread : read).push(partition);
    for (const partition of read) partition.observeEnd();
    await refreshEnds(source, unread, signal);
    await retention.look(all(), signal).catch(() => undefined);
    for (const partition of all()) {
      await partition.lookAtTransactions(signal).catch(() => undefined);
    }
  }
}
