import type { ClusterOptions } from "./api.ts";
import { withCluster, type Cluster } from "./cluster.ts";
import { OffsetOutOfRangeError } from "./errors.ts";
import { Fetcher, type Fetched, type Subscription } from "./fetcher.ts";
import { readOffsets } from "./topics.ts";
import { makeCommittedFilter } from "./wire/committed.ts";

/**
 * Counts the committed data records of a topic, as of the call, from the headers of its batches:
 * nothing is decoded or unpacked.
 */
export async function countRecords(
  options: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<bigint> {
  const ranges = await readOffsets(options, topic, signal);
  return await withCluster(options, signal, (cluster) => count(cluster, topic, ranges, signal));
}

async function count(
  cluster: Cluster,
  topic: string,
  ranges: ReadonlyMap<number, { readonly start: bigint; readonly end: bigint }>,
  outer: AbortSignal,
): Promise<bigint> {
  const ended = new AbortController();
  const signal = AbortSignal.any([outer, ended.signal]);
  let total = 0n;
  let failure: Error | undefined;
  const open = new Set<Subscription>();
  const finish = (subscription: Subscription) => {
    subscription.paused = true;
    open.delete(subscription);
    if (open.size === 0) ended.abort();
  };
  const fetcher = new Fetcher({
    cluster,
    committedOnly: true,
    signal,
    onFetched: (fetched) => {
      const { subscription } = fetched;
      const end = ranges.get(subscription.partition)?.end ?? 0n;
      if (open.has(subscription)) total += BigInt(countBatches(fetched, end));
      if (subscription.nextOffset >= end) finish(subscription);
    },
    onFailed: (subscription, error) => {
      // What retention took away meanwhile is no longer in the topic.
      if (error instanceof OffsetOutOfRangeError && error.startOffset > error.position) {
        subscription.nextOffset = error.startOffset;
        fetcher.add(subscription);
        return;
      }
      failure = error;
      ended.abort();
    },
  });
  for (const [partition, { start, end }] of ranges) {
    if (start >= end) continue;
    const subscription: Subscription = {
      topic,
      partition,
      nextOffset: start,
      lastEpoch: -1,
      topicId: undefined,
      paused: false,
    };
    open.add(subscription);
    fetcher.add(subscription);
  }
  if (open.size > 0) await fetcher.run();
  if (failure) throw failure;
  outer.throwIfAborted();
  return total;
}

function countBatches({ batches, answer, from }: Fetched, end: bigint): number {
  const isCommitted = makeCommittedFilter(answer.aborted);
  let total = 0;
  for (const batch of batches) {
    if (!isCommitted(batch) || batch.baseOffset >= end) continue;
    // Offsets before the start of the log (DeleteRecords) still stand in their batch.
    const before = batch.baseOffset < from ? Number(from - batch.baseOffset) : 0;
    total += batch.isDense ? batch.count - before : batch.count;
  }
  return total;
}
