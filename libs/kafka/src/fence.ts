import { failpoint, invariant, retry, systemClock, type MonotonicClock } from "@hybridge/core";
import type { Cluster } from "./cluster.ts";
import { BrokerError, FencedError, RequestTimeoutError, UnknownTopicError } from "./errors.ts";
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
/** A leader that accepts writes has the marker within milliseconds. */
const MARKER_WAIT_MS = 10_000;
/** How long a coordinator may take to load its state, or to move. */
const COORDINATOR_WAIT_MS = 15_000;
/** And to end the last transaction, which it cannot as long as a partition does not accept writes. */
const BUSY_WAIT_MS = 1_000;
/** Between two looks for it. */
const MARKER_FIRST_MS = 2;
const MARKER_MOST_MS = 250;
/** How often a marker is looked for, for so long, before another one is written. */
const LOOKS = 3;

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
  readonly clock?: MonotonicClock;
  /** How long the log is read for the marker before that is told; default 10 s. */
  readonly markerWaitMs?: number;
}

/** A fence whose marker was not seen in all logs yet. */
interface Unmarked {
  readonly identity: ProducerIdentity;
  readonly isContinued: boolean;
  /** Where the logs ended before it. */
  readonly ends: ReadonlyMap<number, bigint>;
  looks: number;
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
  readonly #clock: MonotonicClock;
  /** The node that answered last for the transactional id. */
  #coordinator: number | undefined;
  #unmarked: Unmarked | undefined;
  #identity: ProducerIdentity | undefined;
  #isConfirmed = false;
  /** Partitions were, or may have been, added to a transaction whose end is not known. */
  #isOpen = false;
  #openedAtMs = 0;

  constructor(cluster: Cluster, at: FenceTarget) {
    this.#cluster = cluster;
    this.#at = at;
    this.#timeoutMs = at.timeoutMs ?? TRANSACTION_TIMEOUT_MS;
    this.#clock = at.clock ?? systemClock;
  }

  /**
   * @throws FencedError when somebody else took over since the last time
   * @throws RequestTimeoutError when the marker is not written in time: the next call goes on waiting
   */
  async take(signal: AbortSignal): Promise<Fence> {
    await this.begin(signal);
    return await this.marked(signal);
  }

  /** Lets the coordinator write the marker, unless one is being waited for already. */
  async begin(signal: AbortSignal): Promise<void> {
    if (this.#unmarked && this.#unmarked.looks < LOOKS) return;
    this.#unmarked = undefined;
    const ends = await endsBefore(this.#cluster, this.#at, signal);
    if (this.#isOpen) await this.#close(signal);
    const isContinued = this.#isConfirmed && this.#identity !== undefined;
    this.#isConfirmed = isContinued;
    const identity = await this.#initialise(signal);
    this.#identity = identity;
    try {
      await this.#mark(identity, signal);
    } catch (error) {
      if (!(error instanceof FencedError) || !this.#isOverdue) throw error;
      // The process stood still, and the coordinator ended the transaction meanwhile.
      this.#becomeNewcomer();
      await this.begin(signal);
      return;
    }
    this.#unmarked = { identity, isContinued, ends, looks: 0 };
  }

  /**
   * Waits until the marker stands in every log.
   *
   * @throws RequestTimeoutError when it does not come: the next call of `begin` goes on waiting
   */
  async marked(signal: AbortSignal): Promise<Fence> {
    const { topic, partitions, markerWaitMs = MARKER_WAIT_MS } = this.#at;
    const fence = await this.markedWithin(markerWaitMs, signal);
    if (fence) return fence;
    if (this.#unmarked) this.#unmarked.looks += 1;
    throw new RequestTimeoutError(
      `fence ${topic}-${partitions.join(", ")}: the marker is not in the log after ${markerWaitMs} ms: its leader does not accept writes; check that as many replicas are in sync as min.insync.replicas wants`,
    );
  }

  /** Waits for so long at most; undefined when the marker does not stand in every log by then. */
  async markedWithin(waitMs: number, signal: AbortSignal): Promise<Fence | undefined> {
    const { topic, partitions } = this.#at;
    const unmarked = this.#unmarked;
    invariant(unmarked !== undefined, "a fence is begun before its marker is waited for");
    const { identity, isContinued, ends } = unmarked;
    const wait = { waitMs, clock: this.#clock };
    const settled = new Map<number, bigint>();
    const find = async (partition: number) => {
      const at = { topic, partition, from: ends.get(partition) ?? 0n };
      const end = await markerEnd(this.#cluster, at, identity, wait, signal);
      if (end !== undefined) settled.set(partition, end);
    };
    await Promise.all(partitions.map(find));
    if (settled.size < partitions.length) return undefined;
    this.#unmarked = undefined;
    return { ...identity, isContinued, endOffsets: settled };
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
    return await this.#ask(signal, async (connection) => {
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
    this.#openedAtMs = this.#clock.now();
    await this.#ask(signal, async (connection) => {
      const add = writeAddPartitionsToTxn(transactionalId, identity, topic, partitions);
      const added = await connection.request(addPartitionsToTxnApi, add, { signal });
      this.#check(`fence ${topic} for ${transactionalId}`, readAddPartitionsToTxn(added));
    });
    failpoint("kafka.fence.open");
    // Tried again by itself: to add the partitions once more after an end whose answer was an error
    // would open a second transaction, and its marker would come behind the one that is looked for.
    await this.#ask(signal, (connection) => this.#abort(connection, identity, signal));
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
      await this.#ask(signal, (connection) => this.#abort(connection, identity, signal));
    } catch (error) {
      if (isForgottenOwner(error)) {
        // It was never opened, or it was so long ago that the coordinator has forgotten its owner.
        if (error.kafkaCode === INVALID_PRODUCER_ID_MAPPING) this.#identity = undefined;
        this.#isOpen = false;
        return;
      }
      if (!(error instanceof FencedError)) throw error;
      // The coordinator ends it no earlier than that by itself: it was a successor.
      if (!this.#isOverdue) throw error;
      // Afterwards the two cannot be told apart: a take-over like that of a process that has just
      // started. To name the next epoch instead would be no test: it may be the successor's last
      // one, and the coordinator would answer with the one that the successor has now.
      this.#becomeNewcomer();
    }
  }

  /** The coordinator ends a transaction after this time by itself. */
  get #isOverdue(): boolean {
    // The time of day and not the monotonic one, which stands still while a machine sleeps.
    return this.#clock.now() - this.#openedAtMs >= this.#timeoutMs;
  }

  #becomeNewcomer(): void {
    this.#identity = undefined;
    this.#isConfirmed = false;
    this.#isOpen = false;
  }

  /** The coordinator may be loading, moving, or ending the previous owner's transaction. */
  async #ask<T>(signal: AbortSignal, ask: (connection: Connected) => Promise<T>): Promise<T> {
    const began = this.#clock.monotonic();
    const isInTime = (error: BrokerError) =>
      this.#clock.monotonic() - began < (isBusy(error) ? BUSY_WAIT_MS : COORDINATOR_WAIT_MS);
    return await retry(
      async () => {
        try {
          return await ask(await this.#connect(signal));
        } catch (error) {
          // It may be another node's now.
          if (!isBusy(error)) this.#coordinator = undefined;
          throw error;
        }
      },
      {
        signal,
        clock: this.#clock,
        baseMs: 20,
        maxMs: 500,
        classify: (error) =>
          error instanceof BrokerError && error.retry !== "never" && isInTime(error)
            ? "backoff"
            : "never",
      },
    );
  }

  async #connect(signal: AbortSignal): Promise<Connected> {
    const { transactionalId } = this.#at;
    this.#coordinator ??= await this.#cluster.findCoordinator(
      "transaction",
      transactionalId,
      signal,
    );
    return await this.#cluster.connection(this.#coordinator, "control", signal);
  }
}

/** The coordinator is the right one, and has something else to end first. */
function isBusy(error: unknown): boolean {
  return error instanceof BrokerError && error.kafkaCode === errorCode.concurrentTransactions;
}

const INVALID_TXN_STATE = 48;
const INVALID_PRODUCER_ID_MAPPING = 49;
const FORGOTTEN: ReadonlySet<number> = new Set([INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING]);

/** True when the coordinator knows nothing of an owner, or of what it has open; that is no fence. */
export function isForgottenOwner(error: unknown): error is BrokerError {
  return error instanceof BrokerError && FORGOTTEN.has(error.kafkaCode);
}

type Connected = Awaited<ReturnType<Cluster["coordinator"]>>;

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

/**
 * Reads the log until the marker of `producer` stands there; the offset after it, or undefined when it
 * does not come in time. Nothing waits at the broker: other partitions' reads would stand in line.
 */
async function markerEnd(
  cluster: Cluster,
  at: { readonly topic: string; readonly partition: number; readonly from: bigint },
  producer: ProducerIdentity,
  { waitMs, clock }: { readonly waitMs: number; readonly clock: MonotonicClock },
  signal: AbortSignal,
): Promise<bigint | undefined> {
  const { topic, partition } = at;
  const deadline = clock.monotonic() + waitMs;
  let offset = at.from;
  let pauseMs = MARKER_FIRST_MS;
  for (;;) {
    try {
      const place = { topic, partition, offset, committedOnly: false };
      const { records } = await fetchPartition(cluster, place, signal, { waitMs: 0 });
      const before = offset;
      for (const batch of batchesOf(records, offset)) {
        offset = batch.lastOffset + 1n;
        if (!batch.isControl || batch.producerId !== producer.producerId) continue;
        if (batch.producerEpoch >= producer.producerEpoch) return offset;
      }
      if (offset > before) continue;
    } catch (error) {
      const isPassing =
        error instanceof UnknownTopicError ||
        (error instanceof BrokerError && isStaleMetadata(error.kafkaCode));
      if (!isPassing || clock.monotonic() >= deadline) throw error;
    }
    if (clock.monotonic() >= deadline) return undefined;
    await clock.sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, MARKER_MOST_MS);
  }
}
