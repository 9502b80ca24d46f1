import { retry } from "@hybridge/core";
import type { ClusterOptions, RecordToSend } from "../api.ts";
import { Cluster } from "../cluster.ts";
import { BrokerError } from "../errors.ts";
import { advanceSequence, buildBatch } from "../wire/batch.ts";
import { codecNames, compress, type CodecName } from "../wire/compression.ts";
import { produceApi, readProduce, writeProduce } from "../wire/produce.ts";
import { brokerError } from "../wire/protocol-errors.ts";
import { encodeRecords } from "../wire/record.ts";
import {
  addPartitionsToTxnApi,
  endTxnApi,
  initProducerIdApi,
  nobody,
  readAddPartitionsToTxn,
  readEndTxn,
  readInitProducerId,
  writeAddPartitionsToTxn,
  writeEndTxn,
  writeInitProducerId,
  type ProducerIdentity,
} from "../wire/transaction.ts";

interface Stamped extends ProducerIdentity {
  readonly baseSequence: number;
  readonly transactionalId?: string;
}

const NOBODY: Stamped = { ...nobody, baseSequence: -1 };
const TRANSACTIONAL = 0x10;

/** Appends each list of records as one batch, without idempotence, in order. */
export async function produceBatches(
  options: ClusterOptions,
  at: { topic: string; partition: number; compression?: CodecName },
  batches: readonly (readonly RecordToSend[])[],
  signal: AbortSignal,
): Promise<void> {
  await using cluster = new Cluster(options);
  for (const records of batches) {
    await produceOne(cluster, at, records, NOBODY, signal);
  }
}

async function produceOne(
  cluster: Cluster,
  at: { topic: string; partition: number; compression?: CodecName },
  records: readonly RecordToSend[],
  stamp: Stamped,
  signal: AbortSignal,
): Promise<void> {
  const codec = codecNames.indexOf(at.compression ?? "none");
  const base = records[0]?.timestampMs ?? 0;
  const times = records.map(({ timestampMs }) => timestampMs);
  const batch = buildBatch(compress(codec, encodeRecords(records, base)), {
    ...stamp,
    codec: codec | (stamp.transactionalId === undefined ? 0 : TRANSACTIONAL),
    count: records.length,
    baseTimestamp: BigInt(base),
    maxTimestamp: BigInt(Math.max(...times)),
  });
  await retry(
    async () => {
      const [answer] = await cluster.askLeader(
        { ...at, lane: "produce" },
        produceApi,
        () => writeProduce([{ ...at, batch }], 30_000, stamp.transactionalId),
        readProduce,
        signal,
      );
      if (answer?.error === 0) return;
      cluster.forget(at.topic);
      const attempt = `append to ${at.topic}-${at.partition}`;
      throw brokerError(attempt, answer?.error ?? -1, answer?.message);
    },
    // A refusal is definite; after a lost connection a repetition could double the records.
    {
      signal,
      classify: (error) => (error instanceof BrokerError ? error.retry : "never"),
    },
  );
}

/** Writes transactions that end one way or the other, or do not end. */
export class TransactionalProducer implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #id: string;
  readonly #signal: AbortSignal;
  readonly #sequences = new Map<string, number>();
  #identity: ProducerIdentity = nobody;

  constructor(options: ClusterOptions, transactionalId: string, signal: AbortSignal) {
    this.#cluster = new Cluster(options);
    this.#id = transactionalId;
    this.#signal = signal;
  }

  async begin(): Promise<void> {
    if (this.#identity.producerId >= 0n) return;
    this.#identity = await this.#ask(async (connection) => {
      const body = writeInitProducerId(this.#id, 60_000);
      const answer = readInitProducerId(await connection.request(initProducerIdApi, body));
      if (answer.error !== 0) throw brokerError("begin", answer.error);
      return answer;
    });
  }

  async send(
    at: { topic: string; partition: number; compression?: CodecName },
    records: readonly RecordToSend[],
  ): Promise<void> {
    await this.#ask(async (connection) => {
      const body = writeAddPartitionsToTxn(this.#id, this.#identity, at.topic, [at.partition]);
      const error = readAddPartitionsToTxn(await connection.request(addPartitionsToTxnApi, body));
      if (error !== 0) throw brokerError("add a partition", error);
    });
    const key = `${at.topic}/${at.partition}`;
    const baseSequence = this.#sequences.get(key) ?? 0;
    const stamp = { ...this.#identity, baseSequence, transactionalId: this.#id };
    await produceOne(this.#cluster, at, records, stamp, this.#signal);
    this.#sequences.set(key, advanceSequence(baseSequence, records.length));
  }

  async end(commit: boolean): Promise<void> {
    await this.#ask(async (connection) => {
      const body = writeEndTxn(this.#id, this.#identity, commit);
      const error = readEndTxn(await connection.request(endTxnApi, body));
      if (error !== 0) throw brokerError("end the transaction", error);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }

  async #ask<T>(
    body: (connection: Awaited<ReturnType<Cluster["coordinator"]>>) => Promise<T>,
  ): Promise<T> {
    return await retry(
      async () => body(await this.#cluster.coordinator("transaction", this.#id, this.#signal)),
      { signal: this.#signal, baseMs: 20, maxMs: 500, tries: 60 },
    );
  }
}
