import { failpoint, retry } from "@hybridge/core";
import type { Cluster } from "./cluster.ts";
import { BrokerError, FencedError, UnknownTopicError } from "./errors.ts";
import { offsetAt } from "./offsets.ts";
import { fetchPartition } from "./sequential.ts";
import { batchesOf } from "./wire/batch.ts";
import { brokerError, errorCode, isStaleMetadata, isTopicRefused } from "./wire/protocol-errors.ts";
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

const TRANSACTION_TIMEOUT_MS = 60_000;

export interface Fence extends ProducerIdentity {
  /** Nobody else has owned the partitions since the owner confirmed a fence. */
  readonly isContinued: boolean;
  /** By partition: where the log ends behind the marker. What is below is settled for ever. */
  readonly endOffsets: ReadonlyMap<number, bigint>;
}

/** What is fenced, and under what name. */
export interface FenceTarget {
  readonly transactionalId: string;
  readonly topic: string;
  readonly partitions: readonly number[];
  /** How long the coordinator leaves a transaction open that its owner does not end; a minute. */
  readonly timeoutMs?: number;
}

/**
 * Takes partitions over, so that no earlier owner can append any more; as often as its owner has to
 * recover.
 *
 * InitProducerId raises the epoch; that alone does not stop the old owner, whose batches a leader
 * accepts until it has seen the new epoch. So the partitions are added to a transaction that is
 * aborted empty: its marker carries the new epoch into each log. EndTxn answers before the markers
 * are written, hence the log is read until ours stands there. The data that follows is not
 * transactional, and needs no setting at consumers.
 *
 * From the second time on the last identity is named (KIP-360), so that an owner that was replaced
 * meanwhile learns of it and does not come back. That also holds when the answer to InitProducerId
 * was lost: the coordinator remembers the epoch before, and knows a repetition as one.
 */
export class Fencer {
  readonly #cluster: Cluster;
  readonly #at: FenceTarget;
  readonly #timeoutMs: number;
  #identity: ProducerIdentity | undefined;
  #isConfirmed = false;
  /** Partitions were, or may have been, added to a transaction whose end is not known. */
  #isOpen = false;
  #openedAtMs = 0;

  constructor(cluster: Cluster, at: FenceTarget) {
    this.#cluster = cluster;
    this.#at = at;
    this.#timeoutMs = at.timeoutMs ?? TRANSACTION_TIMEOUT_MS;
  }

  /** @throws FencedError when somebody else took over since the last time */
  async take(signal: AbortSignal): Promise<Fence> {
    const { topic, partitions } = this.#at;
    const ends = await endsBefore(this.#cluster, this.#at, signal);
    if (this.#isOpen) await this.#close(signal);
    const isContinued = this.#isConfirmed && this.#identity !== undefined;
    this.#isConfirmed = isContinued;
    const identity = await this.#initialise(signal);
    this.#identity = identity;
    await this.#mark(identity, signal);
    const settled = await Promise.all(
      partitions.map(async (partition) => {
        const from = ends.get(partition) ?? 0n;
        const end = await markerEnd(this.#cluster, topic, partition, from, identity, signal);
        return [partition, end] as const;
      }),
    );
    return { ...identity, isContinued, endOffsets: new Map(settled) };
  }

  /**
   * The owner knows all that an earlier one left behind, as of the last fence. Without this the next
   * fence does not count as continued.
   */
  confirm(): void {
    this.#isConfirmed = true;
  }

  async #initialise(signal: AbortSignal): Promise<ProducerIdentity> {
    const { transactionalId } = this.#at;
    const body = writeInitProducerId(transactionalId, this.#timeoutMs, this.#identity);
    return await askCoordinator(this.#cluster, transactionalId, signal, async (connection) => {
      const answer = readInitProducerId(
        await connection.request(initProducerIdApi, body, { signal }),
      );
      // The coordinator knows nothing of us any more: the next attempt is one of a newcomer.
      if (FORGOTTEN.has(answer.error)) this.#identity = undefined;
      this.#check(`take over ${transactionalId}`, answer.error);
      return { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    });
  }

  async #mark(identity: ProducerIdentity, signal: AbortSignal): Promise<void> {
    const { transactionalId, topic, partitions } = this.#at;
    this.#isOpen = true;
    this.#openedAtMs = Date.now();
    await askCoordinator(this.#cluster, transactionalId, signal, async (connection) => {
      const add = writeAddPartitionsToTxn(transactionalId, identity, topic, partitions);
      const added = await connection.request(addPartitionsToTxnApi, add, { signal });
      this.#check(`fence ${topic} for ${transactionalId}`, readAddPartitionsToTxn(added));
    });
    failpoint("kafka.fence.open");
    // Tried again by itself: to add the partitions once more after an end whose answer was an error
    // would open a second transaction, and its marker would come behind the one that is looked for.
    await askCoordinator(this.#cluster, transactionalId, signal, (connection) =>
      this.#abort(connection, identity, signal),
    );
  }

  async #abort(connection: Connected, identity: ProducerIdentity, signal: AbortSignal) {
    const { transactionalId } = this.#at;
    const end = writeEndTxn(transactionalId, identity, false);
    const ended = await connection.request(endTxnApi, end, { signal });
    this.#check(`write the fence of ${transactionalId}`, readEndTxn(ended));
    this.#isOpen = false;
  }

  #check(attempt: string, error: number): void {
    if (error === errorCode.none) return;
    const { topic, transactionalId } = this.#at;
    const name = isTopicRefused(error) ? topic : transactionalId;
    throw brokerError(attempt, error, null, { operation: "Write", name });
  }

  /**
   * Ends the transaction that an interrupted attempt may have left open. Otherwise the coordinator
   * would end it, raise the epoch by that, and call us replaced.
   *
   * @throws FencedError when somebody else took over since
   */
  async #close(signal: AbortSignal): Promise<void> {
    const identity = this.#identity;
    if (!identity) return;
    try {
      await askCoordinator(this.#cluster, this.#at.transactionalId, signal, (connection) =>
        this.#abort(connection, identity, signal),
      );
    } catch (error) {
      if (isForgottenOwner(error)) {
        // It was never opened, or it was so long ago that the coordinator has forgotten its owner.
        if (error.kafkaCode === INVALID_PRODUCER_ID_MAPPING) this.#identity = undefined;
        this.#isOpen = false;
        return;
      }
      if (!(error instanceof FencedError)) throw error;
      // The coordinator ends it no earlier than that by itself: it was a successor.
      if (Date.now() - this.#openedAtMs < this.#timeoutMs) throw error;
      // Afterwards the two cannot be told apart: a take-over like that of a process that has just
      // started. To name the next epoch instead would be no test: it may be the successor's last
      // one, and the coordinator would answer with the one that the successor has now.
      this.#identity = undefined;
      this.#isOpen = false;
    }
  }
}

const INVALID_TXN_STATE = 48;
const INVALID_PRODUCER_ID_MAPPING = 49;
const FORGOTTEN: ReadonlySet<number> = new Set([INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING]);

/** True when the coordinator knows nothing of an owner, or of what it has open; that is no fence. */
export function isForgottenOwner(error: unknown): error is BrokerError {
  return error instanceof BrokerError && FORGOTTEN.has(error.kafkaCode);
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

/** Where the logs end before the marker: it is looked for from there. */
async function endsBefore(
  cluster: Cluster,
  { topic, partitions }: FenceTarget,
  signal: AbortSignal,
): Promise<Map<number, bigint>> {
  const ends = await Promise.all(
    partitions.map(async (partition) => {
      const end = await offsetAt(cluster, { topic, partition }, "latest", signal, false);
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
