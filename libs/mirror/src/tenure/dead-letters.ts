import { failpoint, retry, type Clock } from "@hybridge/core";
import type { RecordToSend } from "@hybridge/kafka";
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

  /** Resolves when the record is safe there. A crash just after it may bring it twice. */
  async put(route: Route, rejected: Rejected, signal: AbortSignal): Promise<void> {
    // Before anything is waited for: the record is a view of a frame that may be used again when the
    // partition is interrupted meanwhile.
    const { record, reason } = rejected;
    const now = this.#clock.now();
    const whole = encode(route, rejected, record, reason, now);
    const without = { ...record, key: null, value: null };
    const bare = encode(route, rejected, without, `${reason}; value left out`, now);
    if (!this.#isReady) {
      const config = { "max.message.bytes": String(MESSAGE_BYTES_MAX), "retention.ms": "-1" };
      await makeTopic(this.#cluster, { topic: this.#topic, partitions: 1, config }, signal);
      this.#isReady = true;
    }
    const error = await this.#produce(whole, signal);
    if (error === errorCode.messageTooLarge || error === errorCode.recordListTooLarge) {
      await this.#produce(bare, signal);
    }
    failpoint("mirror.dead-letter.written");
  }

  async #produce(batch: Buffer, signal: AbortSignal): Promise<number> {
    const at = { topic: this.#topic, partition: 0 };
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

function encode(
  route: Route,
  { offset, count }: Rejected,
  record: RecordToSend,
  reason: string,
  timestampMs: number,
): Buffer {
  const origin = [
    ["hybridge-source-topic", route.sourceTopic],
    ["hybridge-source-partition", String(route.partition)],
    ["hybridge-source-offset", String(offset)],
    ["hybridge-source-last-offset", String(offset + BigInt(count) - 1n)],
    ["hybridge-source-timestamp", String(record.timestampMs)],
    ["hybridge-target-topic", route.targetTopic],
    ["hybridge-reason", reason],
  ] as const;
  const headers = [
    ...origin.map(([name, value]) => [name, Buffer.from(value)] as const),
    ...record.headers,
  ];
  const { key, value } = record;
  return buildBatch(encodeRecords([{ key, value, headers, timestampMs }], timestampMs), {
    ...NOBODY,
    codec: 0,
    count: 1,
    baseTimestamp: BigInt(timestampMs),
    maxTimestamp: BigInt(timestampMs),
  });
}
