import { describeError, failpoint, type Emit } from "@hybridge/core";
import type {
  ClusterOptions,
  FencedWriter,
  FencedWriterOptions,
  OpenFencedWriter,
  OpenReader,
} from "@hybridge/kafka";
import type { DeadLetters } from "../dead-letters.ts";
import { partitionsDiffer } from "../events.ts";
import type { Spool } from "../spool/spool.ts";
import type { StatusBoard } from "../status.ts";
import type { Outgoing } from "./lane.ts";
import { openPublisher, type Publisher, type PublisherOptions } from "./publisher.ts";
import type { Ranges, TopicReading } from "./read-headers.ts";
import { parseSequence } from "./sequence.ts";
import { findSettled, type Settled } from "./settled.ts";

/** What of libs/kafka a session uses. */
export interface KafkaPort {
  readonly openReader: OpenReader;
  readonly openFencedWriter: OpenFencedWriter;
  /** Makes the topic if there is none; one that exists is left as it is. */
  createTopicIfMissing(
    cluster: ClusterOptions,
    wanted: { topic: string; partitions: number },
    signal: AbortSignal,
  ): Promise<void>;
  readOffsets(
    cluster: ClusterOptions,
    topic: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, { readonly start: bigint; readonly end: bigint }>>;
}

export interface SessionOptions {
  readonly kafka: KafkaPort;
  readonly cluster: ClusterOptions;
  readonly topic: string;
  /** Of a topic that is missing and made. */
  readonly partitions: number;
  readonly compression: NonNullable<FencedWriterOptions["compression"]>;
  readonly spool: Spool;
  readonly deadLetters: DeadLetters;
  readonly status: StatusBoard;
  readonly emit: Emit;
  /** Told what of the topic is final once its fence stands: feeds may want to look there. */
  readonly onTopic: (reading: TopicReading, ranges: Ranges) => void;
  readonly publishing: Pick<
    PublisherOptions,
    "lingerMs" | "batchBytesMax" | "bytesMax" | "startTrace"
  >;
}

/**
 * Takes the topic over, finds out which records of the spool it has, and appends the others in their
 * order, as they come, until the spool is finished. Whatever goes wrong, the next session goes on
 * exactly: what the topic has is read from the topic.
 *
 * 1. The fence: from here on no earlier owner of the spool can append, so what is read next is final.
 * 2. What was acknowledged is written down now and then; behind that the partitions tell (settled.ts).
 * 3. Those that they lack are appended in order, by one writer that repeats an append with the same
 *    sequence number until the broker has answered it.
 */
export async function runSession(options: SessionOptions, signal: AbortSignal): Promise<void> {
  const { spool, status, topic } = options;
  const ended = new AbortController();
  const own = AbortSignal.any([signal, ended.signal]);
  try {
    const taken = await takeOver(options, own);
    const { settled, ranges } = taken;
    await using writer = taken.writer;
    tellTakeOver(options, ranges.size);
    options.onTopic({ ...readingOf(options, signal) }, ranges);
    using publisher = openPublisher({
      ...options.publishing,
      spoolId: spool.id,
      topic,
      settled,
      writer,
      partitions: ranges.size,
      onAcknowledged: (count) => status.addAcknowledged(count),
      onRefused: (outgoing, error) => putAside(options, outgoing, error, own),
    });
    status.beginSession({
      inFlight: () => publisher.inFlight(),
      settled: () => publisher.acknowledged().ordinal,
    });
    status.become("RUNNING");
    await publishAll(options, publisher, settled.ordinal, own);
  } finally {
    ended.abort(new DOMException("the session ended", "AbortError"));
  }
}

interface TakeOver {
  readonly writer: FencedWriter;
  readonly settled: Settled;
  readonly ranges: Ranges;
}

function readingOf({ kafka, cluster, topic }: SessionOptions, signal: AbortSignal): TopicReading {
  return { openReader: kafka.openReader, cluster, topic, signal };
}

/** The fence, and what the log tells once it stands. */
async function takeOver(options: SessionOptions, signal: AbortSignal): Promise<TakeOver> {
  const { kafka, cluster, topic, spool } = options;
  using wait = watchWait(options);
  wait.begin(`make sure that ${topic} is there`);
  await kafka.createTopicIfMissing(cluster, { topic, partitions: options.partitions }, signal);
  const starts = await kafka.readOffsets(cluster, topic, signal);
  wait.begin(`take ${topic} over`);
  await using opened = new AsyncDisposableStack();
  const writer = opened.use(
    await kafka.openFencedWriter({
      cluster,
      transactionalId: `hybridge-ingest-${topic}-${spool.id}`,
      topic,
      partitions: [...starts.keys()],
      compression: options.compression,
      isShared: true,
      signal,
    }),
  );
  failpoint("ingest.fenced");
  wait.begin(`read how far ${topic} is`);
  const ranges = new Map(
    [...writer.endOffsets].map(([partition, end]) => {
      return [partition, { start: starts.get(partition)?.start ?? 0n, end }] as const;
    }),
  );
  const acknowledged = spool.acknowledged();
  const settled = await findSettled({
    reading: readingOf(options, signal),
    ranges,
    spoolId: spool.id,
    acknowledged,
    ...spool.status(),
    isNew: acknowledged === undefined && spool.isNew,
  });
  // Before the first record is appended: from here on the partitions are read from these places.
  const { ordinal, partitions, places } = settled;
  await spool.acknowledge({ topic, ordinal, partitions, places });
  opened.move();
  return { writer, settled, ranges };
}

/** How often what is acknowledged is written down. */
const ACKNOWLEDGE_MS = 500;

async function publishAll(
  { spool, status }: SessionOptions,
  publisher: Publisher,
  from: number,
  signal: AbortSignal,
): Promise<void> {
  let written = from;
  const acknowledge = async () => {
    const now = publisher.acknowledged();
    if (now.ordinal === written) return;
    written = now.ordinal;
    await spool.acknowledge(now);
  };
  const watch = setInterval(watchStall(publisher, status), 1_000);
  const write = setInterval(() => {
    acknowledge().catch((error: unknown) => publisher.fail(error));
  }, ACKNOWLEDGE_MS);
  try {
    for await (const batch of spool.read(from, signal)) await publisher.accept(batch, signal);
    await publisher.settle(signal);
  } finally {
    clearInterval(watch);
    clearInterval(write);
  }
  await acknowledge();
}

/** Longer than a healthy cluster takes for anything that is waited for here. */
const PATIENCE_MS = 5_000;

/** Tells in the status what is waited for when it takes long: the Kafka client tries for ever. */
function watchWait({
  status,
  cluster,
}: SessionOptions): Disposable & { begin(what: string): void } {
  let what = "";
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    const waitedMs = performance.now() - sinceMs;
    if (waitedMs < PATIENCE_MS || status.read().state === "STOPPING") return;
    const seconds = Math.floor(waitedMs / 1000);
    status.become(
      "DEGRADED",
      `waiting for Kafka at ${cluster.bootstrap} to ${what}, for ${seconds} s`,
    );
  }, 1_000);
  return {
    begin(next) {
      what = next;
      sinceMs = performance.now();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** A broker that is away shows as a batch that nobody acknowledges; the writer keeps trying. */
function watchStall(publisher: Publisher, status: StatusBoard): () => void {
  let stalled = false;
  return () => {
    const waitMs = publisher.oldestWaitMs();
    if (waitMs >= PATIENCE_MS) {
      const seconds = Math.floor(waitMs / 1000);
      status.become("DEGRADED", `Kafka has not acknowledged a batch for ${seconds} s`);
      stalled = true;
    } else if (stalled) {
      status.become("RUNNING");
      stalled = false;
    }
  };
}

function tellTakeOver({ emit, topic, status, partitions }: SessionOptions, has: number): void {
  if (has !== partitions && status.tellOnce(`partitions ${has}`)) {
    emit(partitionsDiffer(topic, has, partitions));
  }
}

/** A record that the broker refuses for its size: the topic's limit is below ours. */
async function putAside(
  { deadLetters, topic, spool }: SessionOptions,
  { spooled, feed }: Outgoing,
  error: Error,
  signal: AbortSignal,
): Promise<void> {
  const { ordinal, value, origin } = spooled;
  const place = origin === "" ? undefined : parseSequence(origin);
  await deadLetters.add(
    {
      sequence: `spool-${spool.id} refused`,
      item: ordinal,
      index: 0,
      mark: ordinal % 2 ** 32,
      file: place?.stream ?? feed,
      line: place?.item ?? ordinal,
      byteOffset: 0,
      code: "REFUSED",
      reason: `${describeError(error)}; check max.message.bytes of ${topic} and HYBRIDGE_POST_BYTES_MAX`,
      bytes: value,
      length: value.length,
    },
    signal,
  );
  await deadLetters.flush(signal);
}
