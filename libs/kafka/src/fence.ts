import { failpoint, retry } from "@hybridge/core";
import type { Cluster } from "./cluster.ts";
import { BrokerError, UnknownTopicError } from "./errors.ts";
import { rangeOf } from "./fetcher.ts";
import { fetchPartition } from "./sequential.ts";
import { batchesOf } from "./wire/batch.ts";
import { brokerError, errorCode, isStaleMetadata } from "./wire/protocol-errors.ts";
import {
  addPartitionsToTxnApi,
  endTxnApi,
  initProducerIdApi,
  readAddPartitionsToTxn,
  readEndTxn,
  readInitProducerId,
  writeAddPartitionsToTxn,
  writeEndTxn,
  writeInitProducerId,
  type ProducerIdentity,
} from "./wire/transaction.ts";

/** How long the coordinator waits before it aborts a transaction that its owner left open. */
const TRANSACTION_TIMEOUT_MS = 60_000;

export interface Fence extends ProducerIdentity {
  /** By partition: where the log ends behind the marker. What is below is settled for ever. */
  readonly endOffsets: ReadonlyMap<number, bigint>;
}

/**
 * Takes partitions over, so that no earlier owner can append any more.
 *
 * InitProducerId raises the epoch; that alone does not stop the old owner, whose batches a leader
 * accepts until it has seen the new epoch. So the partitions are added to a transaction that is
 * aborted empty: its marker carries the new epoch into each log. EndTxn answers before the markers
 * are written, hence the log is read until ours stands there. The data that follows is not
 * transactional, and needs no setting at consumers.
 *
 * @param current the identity to recover from; the call fails if somebody else took over since
 * @throws FencedError when `current` is no longer the newest owner
 */
export async function fence(
  cluster: Cluster,
  at: { transactionalId: string; topic: string; partitions: readonly number[] },
  signal: AbortSignal,
  current?: ProducerIdentity,
): Promise<Fence> {
  const { transactionalId, topic, partitions } = at;
  const ends = await endsOf(cluster, topic, partitions, signal);
  const body = writeInitProducerId(transactionalId, TRANSACTION_TIMEOUT_MS, current);
  const producer = await askCoordinator(cluster, transactionalId, signal, async (connection) => {
    const answer = readInitProducerId(
      await connection.request(initProducerIdApi, body, { signal }),
    );
    check(`take over ${transactionalId}`, answer.error);
    return { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
  });
  await askCoordinator(cluster, transactionalId, signal, async (connection) => {
    const add = writeAddPartitionsToTxn(transactionalId, producer, topic, partitions);
    const added = await connection.request(addPartitionsToTxnApi, add, { signal });
    check(`fence ${topic} for ${transactionalId}`, readAddPartitionsToTxn(added));
    failpoint("kafka.fence.open");
    const end = writeEndTxn(transactionalId, producer, false);
    check(
      `write the fence of ${transactionalId}`,
      readEndTxn(await connection.request(endTxnApi, end, { signal })),
    );
  });
  const settled = await Promise.all(
    partitions.map(async (partition) => {
      const from = ends.get(partition) ?? 0n;
      return [
        partition,
        await markerEnd(cluster, topic, partition, from, producer, signal),
      ] as const;
    }),
  );
  return { ...producer, endOffsets: new Map(settled) };
}

type Connected = Awaited<ReturnType<Cluster["coordinator"]>>;

/** The coordinator may be loading, moving, or ending the previous owner's transaction. */
async function askCoordinator<T>(
  cluster: Cluster,
  transactionalId: string,
  signal: AbortSignal,
  ask: (connection: Connected) => Promise<T>,
): Promise<T> {
  return await retry(
    async () => await ask(await cluster.coordinator("transaction", transactionalId, signal)),
    {
      signal,
      baseMs: 20,
      maxMs: 500,
      tries: 60,
      classify: (error) =>
        error instanceof BrokerError && error.retry !== "never" ? "backoff" : "never",
    },
  );
}

function check(attempt: string, error: number): void {
  if (error !== errorCode.none) throw brokerError(attempt, error);
}

async function endsOf(
  cluster: Cluster,
  topic: string,
  partitions: readonly number[],
  signal: AbortSignal,
): Promise<Map<number, bigint>> {
  const ends = await Promise.all(
    partitions.map(async (partition) => {
      const { end } = await rangeOf(cluster, topic, partition, signal, false);
      return [partition, end] as const;
    }),
  );
  return new Map(ends);
}

/** Reads the log until the marker of `producer` stands there; the offset after it. */
async function markerEnd(
  cluster: Cluster,
  topic: string,
  partition: number,
  from: bigint,
  producer: ProducerIdentity,
  signal: AbortSignal,
): Promise<bigint> {
  let offset = from;
  return await retry(
    async () => {
      for (;;) {
        const at = { topic, partition, offset, committedOnly: false };
        const { records } = await fetchPartition(cluster, at, signal);
        for (const batch of batchesOf(records, offset)) {
          offset = batch.lastOffset + 1n;
          if (!batch.isControl || batch.producerId !== producer.producerId) continue;
          if (batch.producerEpoch >= producer.producerEpoch) return offset;
        }
      }
    },
    {
      signal,
      maxMs: 1_000,
      tries: 30,
      classify: (error) =>
        error instanceof UnknownTopicError ||
        (error instanceof BrokerError && isStaleMetadata(error.kafkaCode))
          ? "backoff"
          : "never",
    },
  );
}
