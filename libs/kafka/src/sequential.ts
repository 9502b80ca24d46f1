import type { Cluster } from "./cluster.ts";
import { batchesOf, type Batch } from "./wire/batch.ts";
import { makeCommittedFilter } from "./wire/committed.ts";
import { fetchApi, readFetch, writeFetch, type FetchedPartition } from "./wire/fetch.ts";
import { brokerError } from "./wire/protocol-errors.ts";

export interface SequentialOptions {
  readonly topic: string;
  readonly partition: number;
  readonly from: bigint;
  /** Where to stop (exclusive); without it, at the end of the log as of the first answer. */
  readonly to?: bigint;
  readonly committedOnly: boolean;
  /** Control batches too. */
  readonly withControl?: boolean;
}

/**
 * The data batches of one partition from an offset up to an end, one fetch at a time: for
 * comparing and for tools, not for throughput. Control batches are left out unless they are asked
 * for, and those of aborted transactions when only committed ones are wanted.
 */
export async function* readBatches(
  cluster: Cluster,
  options: SequentialOptions,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const { topic, partition, committedOnly } = options;
  let offset = options.from;
  let end = options.to;
  for (;;) {
    if (end !== undefined && offset >= end) return;
    const answer = await fetchPartition(
      cluster,
      { topic, partition, offset, committedOnly },
      signal,
    );
    end ??= committedOnly ? answer.lastStableOffset : answer.highWatermark;
    const isCommitted = makeCommittedFilter(committedOnly ? answer.aborted : []);
    for (const batch of batchesOf(answer.records, offset)) {
      if (batch.baseOffset >= end) return;
      offset = batch.lastOffset + 1n;
      if (isCommitted(batch) || (batch.isControl && options.withControl === true)) yield batch;
    }
  }
}

/** One read from one partition, without a session; waits up to 500 ms for data, if not told otherwise. */
export async function fetchPartition(
  cluster: Cluster,
  at: { topic: string; partition: number; offset: bigint; committedOnly: boolean },
  signal: AbortSignal,
  {
    bytesMax = 1 << 20,
    waitMs = 500,
  }: { readonly bytesMax?: number; readonly waitMs?: number } = {},
): Promise<FetchedPartition> {
  const { topic, partition, offset, committedOnly } = at;
  const known = cluster.known(topic) ?? (await cluster.topic(topic, signal));
  const response = await cluster.askLeader(
    { topic, partition, lane: "scan" },
    fetchApi,
    () =>
      writeFetch({
        waitMs,
        bytesMin: 1,
        bytesMax,
        committedOnly,
        sessionId: 0,
        sessionEpoch: -1,
        partitions: [{ topicId: known.id, partition, offset, lastEpoch: -1, bytesMax }],
        forgotten: [],
      }),
    readFetch,
    signal,
  );
  const [answer] = response.partitions;
  if (response.error === 0 && answer?.error === 0) return answer;
  cluster.forget(topic);
  const error = response.error === 0 ? (answer?.error ?? -1) : response.error;
  const need = { operation: "Read", name: topic } as const;
  throw brokerError(`fetch ${topic}-${partition} from ${offset}`, error, null, need);
}
