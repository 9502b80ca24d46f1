import { retry } from "@hybridge/core";
import type { FencedWriter, FencedWriterOptions, OpenFencedWriter, RecordToSend } from "./api.ts";
import { Cluster } from "./cluster.ts";
import { FencedError, ForeignWriterError, retryUntold } from "./errors.ts";
import { Fencer, type Fence } from "./fence.ts";
import { advanceSequence, buildBatch } from "./wire/batch.ts";
import { codecNames, compress } from "./wire/compression.ts";
import { produceApi, readProduce, writeProduce } from "./wire/produce.ts";
import { brokerError, errorCode } from "./wire/protocol-errors.ts";
import { encodeRecords } from "./wire/record.ts";

const PRODUCE_TIMEOUT_MS = 30_000;

export const openFencedWriter: OpenFencedWriter = async (options) => {
  const cluster = new Cluster(options.cluster);
  try {
    const fencer = new Fencer(cluster, options);
    const owner = await retry(() => fencer.take(options.signal), {
      signal: options.signal,
      maxMs: 2_000,
      classify: retryUntold,
    });
    return makeWriter(cluster, owner, options);
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
};

/** One partition's end: its sequence, and the append that the next one has to wait for. */
interface Tail {
  sequence: number;
  offset: bigint;
  busy: Promise<unknown>;
  failure: { readonly error: unknown } | undefined;
}

function makeWriter(cluster: Cluster, owner: Fence, options: FencedWriterOptions): FencedWriter {
  const { topic, signal } = options;
  const codec = codecNames.indexOf(options.compression ?? "none");
  const tails = new Map<number, Tail>();
  for (const [partition, offset] of owner.endOffsets) {
    tails.set(partition, { sequence: 0, offset, busy: Promise.resolve(), failure: undefined });
  }

  const send = async (tail: Tail, partition: number, records: readonly RecordToSend[]) => {
    if (tail.failure) throw tail.failure.error;
    const batch = encodeBatch(records, { ...owner, baseSequence: tail.sequence }, codec);
    // The same bytes with the same sequence until the outcome is known: one batch is under way at
    // a time, so the broker knows a repetition as one and answers with the first offset.
    const answer = await retry(() => produceOnce(cluster, topic, partition, batch, signal), {
      signal,
      maxMs: 2_000,
      classify: retryUntold,
    });
    tail.sequence = advanceSequence(tail.sequence, records.length);
    if (answer !== tail.offset && options.isShared !== true) {
      tail.failure = { error: foreign(topic, partition, tail.offset, answer) };
      throw tail.failure.error;
    }
    tail.offset = answer + BigInt(records.length);
    return answer;
  };

  return {
    endOffsets: owner.endOffsets,
    async append(partition, records) {
      const tail = tails.get(partition);
      if (!tail || records.length === 0) {
        throw new RangeError(`append ${records.length} records to ${topic}-${partition}`);
      }
      const sent = tail.busy.then(() => send(tail, partition, records));
      tail.busy = sent.catch((error: unknown) => {
        // After a fence nothing goes through any more; after a refusal for size the next may.
        if (error instanceof FencedError) tail.failure = { error };
      });
      return await sent;
    },
    [Symbol.asyncDispose]: async () => {
      await cluster[Symbol.asyncDispose]();
    },
  };
}

function encodeBatch(
  records: readonly RecordToSend[],
  stamp: { producerId: bigint; producerEpoch: number; baseSequence: number },
  codec: number,
): Buffer {
  const base = records[0]?.timestampMs ?? 0;
  let most = base;
  for (const record of records) if (record.timestampMs > most) most = record.timestampMs;
  return buildBatch(compress(codec, encodeRecords(records, base)), {
    ...stamp,
    codec,
    count: records.length,
    baseTimestamp: BigInt(base),
    maxTimestamp: BigInt(most),
  });
}

async function produceOnce(
  cluster: Cluster,
  topic: string,
  partition: number,
  batch: Buffer,
  signal: AbortSignal,
): Promise<bigint> {
  const [answer] = await cluster.askLeader(
    { topic, partition, lane: "produce" },
    produceApi,
    () => writeProduce([{ topic, partition, batch }], PRODUCE_TIMEOUT_MS),
    readProduce,
    signal,
  );
  if (answer?.error === errorCode.none) return answer.baseOffset;
  cluster.forget(topic);
  throw brokerError(
    `append ${batch.length} bytes to ${topic}-${partition}`,
    answer?.error ?? -1,
    answer?.message,
    { operation: "Write", name: topic },
  );
}

function foreign(topic: string, partition: number, expected: bigint, got: bigint): Error {
  return new ForeignWriterError(
    `append to ${topic}-${partition}: the records stand at offset ${got}, not at ${expected} where the log ended: something else writes to this partition`,
  );
}
