import { failpoint, retry, type Clock } from "@hybridge/core";
import { RecordTooLargeError, type RecordHeaders } from "@hybridge/kafka";
import {
  brokerError,
  buildBatch,
  encodeRecords,
  errorCode,
  makeTopic,
  produceApi,
  readProduce,
  retryUntold,
  writeProduce,
  type Cluster,
} from "@hybridge/kafka/raw";
import type { Route } from "../route.ts";
import type { Rejected } from "./shape.ts";

const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;
/** Far above what a topic takes by default: records come here because they are large. */
const MESSAGE_BYTES_MAX = 64 << 20;

/**
 * The topic for records that the target topic cannot take: key, value and headers as they were,
 * and before them where they come from and why. A record too large even for it keeps its
 * coordinates and loses its value, and says so.
 */
export class DeadLetters {
  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #clock: Clock;
  #isReady = false;

  constructor(cluster: Cluster, topic: string, clock: Clock) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.#clock = clock;
  }

  /** Resolves when the records are safe there. A crash just after it may bring them twice. */
  async put(route: Route, list: readonly Rejected[], signal: AbortSignal): Promise<void> {
    // Before anything is waited for: a record is a view of a frame that may be used again when the
    // partition is interrupted meanwhile.
    const now = this.#clock.now();
    const whole = encode(route, list, now);
    const [first] = list;
    const single = list.length === 1 ? first : undefined;
    const bare = single && encode(route, [withoutValue(single)], now);
    const each = single
      ? []
      : list.map((rejected) => ({ rejected, batch: encode(route, [rejected], now) }));
    if (!this.#isReady) {
      const config = { "max.message.bytes": String(MESSAGE_BYTES_MAX), "retention.ms": "-1" };
      await makeTopic(this.#cluster, { topic: this.#topic, partitions: 1, config }, signal);
      this.#isReady = true;
    }
    if (!(await this.#fits(whole, signal))) {
      if (bare && !(await this.#fits(bare, signal))) throw this.#tooSmall(bare);
      // Together they are too large.
      for (const { rejected, batch } of each) {
        if (await this.#fits(batch, signal)) continue;
        const rest = encode(route, [withoutValue(rejected)], now);
        if (!(await this.#fits(rest, signal))) throw this.#tooSmall(rest);
      }
    }
    failpoint("mirror.dead-letter.written");
  }

  /** @returns false when the topic does not take so much at once */
  async #fits(batch: Buffer, signal: AbortSignal): Promise<boolean> {
    return (await this.#produce(batch, signal)) === errorCode.none;
  }

  #tooSmall(batch: Buffer): Error {
    return new RecordTooLargeError(
      `put a dead letter into ${this.#topic}: not even ${batch.length} bytes with where it comes from are taken; raise max.message.bytes of the topic`,
    );
  }

  async #produce(batch: Buffer, signal: AbortSignal): Promise<number> {
    const at = { topic: this.#topic, partition: 0, lane: "dead-letters" } as const;
    return await retry(
      async () => {
        const [answer] = await this.#cluster.askLeader(
          at,
          produceApi,
          () => writeProduce([{ ...at, batch }], 30_000),
          readProduce,
          signal,
        );
        const error = answer?.error ?? -1;
        if (error === errorCode.none || error === errorCode.messageTooLarge) return error;
        if (error === errorCode.recordListTooLarge) return error;
        this.#cluster.forget(this.#topic);
        throw brokerError(`put a dead letter into ${this.#topic}`, error, answer?.message, {
          operation: "Write",
          name: this.#topic,
        });
      },
      { signal, maxMs: 2_000, tries: 20, classify: retryUntold },
    );
  }
}

/** Its coordinates stay; they are what a record is found by in the source. */
function withoutValue(rejected: Rejected): Rejected {
  const { record, reason } = rejected;
  const bare = { ...record, key: null, value: null, headers: [] };
  return { ...rejected, record: bare, reason: `${reason}; value left out` };
}

function encode(route: Route, list: readonly Rejected[], timestampMs: number): Buffer {
  const records = list.map((rejected) => {
    const { key, value } = rejected.record;
    return { key, value, headers: headersOf(route, rejected), timestampMs };
  });
  return buildBatch(encodeRecords(records, timestampMs), {
    ...NOBODY,
    codec: 0,
    count: records.length,
    baseTimestamp: BigInt(timestampMs),
    maxTimestamp: BigInt(timestampMs),
  });
}

function headersOf(route: Route, rejected: Rejected): RecordHeaders {
  const { offset, count, timestamp, reason, record } = rejected;
  const origin = [
    ["hybridge-source-topic", route.sourceTopic],
    ["hybridge-source-partition", String(route.partition)],
    ["hybridge-source-offset", String(offset)],
    ["hybridge-source-last-offset", String(offset + BigInt(count) - 1n)],
    ["hybridge-source-timestamp", String(timestamp)],
    ["hybridge-target-topic", route.targetTopic],
    ["hybridge-reason", reason],
  ] as const;
  return [...origin.map(([name, value]) => [name, Buffer.from(value)] as const), ...record.headers];
}
