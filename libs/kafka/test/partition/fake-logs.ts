import type { Cluster } from "../../src/cluster.ts";
import { buildBatch } from "../../src/wire/batch.ts";
import { compress } from "../../src/wire/compression.ts";
import type { Api } from "../../src/wire/connection.ts";
import { fetchApi } from "../../src/wire/fetch.ts";
import { listOffsetsApi } from "../../src/wire/list-offsets.ts";
import { ProtocolReader } from "../../src/wire/reader.ts";
import { encodeRecords } from "../../src/wire/record.ts";
import { ProtocolWriter } from "../../src/wire/writer.ts";

/** One partition's log, and how its leader misbehaves. */
export class FakeLog {
  batches: Buffer[] = [];
  start = 0n;
  end = 0n;
  /** Answered instead of records, as long as it is set. */
  error = 0;

  /** Appends a batch of records with these values. */
  append(...values: readonly string[]): void {
    this.appendPacked(0, ...values);
  }

  /** The same, compressed. */
  appendPacked(codec: number, ...values: readonly string[]): void {
    const records = values.map((value, at) => {
      return { key: null, value: Buffer.from(value), headers: [], timestampMs: 1_000 + at };
    });
    const bytes = buildBatch(compress(codec, encodeRecords(records, 1_000)), {
      ...{ producerId: -1n, producerEpoch: -1, baseSequence: -1, codec },
      ...{ count: records.length, baseTimestamp: 1_000n, maxTimestamp: 2_000n },
    });
    bytes.writeBigInt64BE(this.end, 0);
    this.batches.push(bytes);
    this.end += BigInt(values.length);
  }

  /** Everything below is gone. */
  truncateTo(start: bigint): void {
    this.start = start;
    this.batches = this.batches.filter((batch) => lastOffsetOf(batch) >= start);
  }

  read(from: bigint, bytesMax: number): Buffer {
    const found = this.batches.filter((batch) => lastOffsetOf(batch) >= from);
    let bytes = 0;
    const taken = found.filter((batch, at) => at === 0 || (bytes += batch.length) < bytesMax);
    return Buffer.concat(taken);
  }
}

function lastOffsetOf(batch: Buffer): bigint {
  return batch.readBigInt64BE(0) + BigInt(batch.readInt32BE(23));
}

const UNKNOWN_TOPIC_ID = 100;

interface AskedPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly bytesMax: number;
}

/** A cluster of one broker with one topic, in memory, that keeps fetch sessions as a broker does. */
export class FakeLogs {
  readonly logs: FakeLog[];
  topicId = "ab".repeat(16);
  /** By fetch: how many partitions were named in it. */
  readonly named: number[] = [];
  readonly #session = new Map<number, AskedPartition>();
  #waiting: (() => void)[] = [];

  constructor(partitions: number) {
    this.logs = Array.from({ length: partitions }, () => new FakeLog());
  }

  /** To be called after logs were changed: answers to long polls. */
  changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The topic is another one from now on. */
  recreate(id: string): void {
    this.topicId = id;
    this.changed();
  }

  get cluster(): Cluster {
    const topic = () => ({
      ...{ error: 0, name: "t", id: this.topicId, isInternal: false },
      partitions: this.logs.map((_, partition) => ({
        ...{ error: 0, partition, leader: 1, leaderEpoch: 0 },
      })),
    });
    const connection = {
      require: () => undefined,
      request: (api: Api, body: ProtocolWriter, { signal }: { signal: AbortSignal }) =>
        this.#answer(api, new ProtocolReader(Buffer.concat(body.chunks())), signal),
    };
    const cluster = {
      options: {},
      describe: () => Promise.resolve({ topics: [topic()] }),
      known: topic,
      forget: () => undefined,
      connection: () => Promise.resolve(connection),
      askLeader: async (
        _: unknown,
        api: Api,
        body: () => ProtocolWriter,
        read: (reader: ProtocolReader) => unknown,
        signal: AbortSignal,
      ) => read(await connection.request(api, body(), { signal })),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return cluster as unknown as Cluster;
  }

  async #answer(api: Api, body: ProtocolReader, signal: AbortSignal): Promise<ProtocolReader> {
    await new Promise((resolve) => setImmediate(resolve));
    if (api === listOffsetsApi) return done(this.#listOffsets(body));
    if (api !== fetchApi) throw new Error(`no fake of ${api.name}`);
    return done(await this.#fetch(body, signal));
  }

  #listOffsets(body: ProtocolReader): ProtocolWriter {
    body.skip(5);
    const asked = body.array((topic) => {
      topic.compactString();
      const partitions = topic.array((item) => {
        const partition = item.i32();
        item.i32();
        const time = item.i64();
        item.tags();
        return { partition, time };
      });
      topic.tags();
      return partitions;
    });
    return new ProtocolWriter().i32(0).array(asked, (topic, partitions) => {
      topic.compactString("t").array(partitions, (item, { partition, time }) => {
        const log = this.logs[partition];
        const offset = (time === -2n ? log?.start : log?.end) ?? -1n;
        item.i32(partition).i16(0).i64(-1n).i64(offset).i32(-1).noTags();
      });
      topic.noTags();
    });
  }

  async #fetch(body: ProtocolReader, signal: AbortSignal): Promise<ProtocolWriter> {
    body.skip(17);
    body.i32(); // session id
    if (body.i32() === 0) this.#session.clear();
    const named = body.array(readTopic).flat();
    for (const asked of named) this.#session.set(asked.partition, asked);
    for (const partition of body.array(readForgotten).flat()) this.#session.delete(partition);
    this.named.push(named.length);
    // A long poll, which ends without news after a while.
    if (this.#news().length === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        setTimeout(resolve, 20);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    const news = this.#news();
    return new ProtocolWriter()
      .i32(0)
      .i16(0)
      .i32(7)
      .array([...Map.groupBy(news, ({ topicId }) => topicId)], (topic, [topicId, entries]) => {
        topic.uuid(topicId).array(entries, (item, { partition, error, records, log }) => {
          item.i32(partition).i16(error).i64(log.end).i64(log.end).i64(log.start);
          item.array([], () => undefined);
          item.i32(-1).compactBytes(records).noTags();
        });
        topic.noTags();
      });
  }

  #news() {
    return [...this.#session.values()].flatMap(({ topicId, partition, offset, bytesMax }) => {
      const log = this.logs[partition];
      if (!log) return [];
      const isOutside = offset < log.start || offset > log.end;
      const isOther = topicId !== this.topicId;
      const error = log.error || (isOther ? UNKNOWN_TOPIC_ID : isOutside ? 1 : 0);
      const records = error === 0 ? log.read(offset, bytesMax) : Buffer.alloc(0);
      return error === 0 && records.length === 0
        ? []
        : [{ topicId, partition, error, records, log }];
    });
  }
}

function readTopic(topic: ProtocolReader): AskedPartition[] {
  const topicId = topic.uuid();
  const partitions = topic.array((item) => {
    const partition = item.i32();
    item.i32();
    const offset = item.i64();
    item.skip(12);
    const bytesMax = item.i32();
    item.tags();
    return { topicId, partition, offset, bytesMax };
  });
  topic.tags();
  return partitions;
}

function readForgotten(topic: ProtocolReader): number[] {
  topic.uuid();
  const partitions = topic.array((item) => item.i32());
  topic.tags();
  return partitions;
}

function done(body: ProtocolWriter): ProtocolReader {
  return new ProtocolReader(Buffer.concat(body.noTags().chunks()));
}
