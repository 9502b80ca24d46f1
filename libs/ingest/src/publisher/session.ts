import { describeError, failpoint, type Emit } from "@hybridge/core";
import type {
  ClusterOptions,
  FencedWriter,
  FencedWriterOptions,
  OpenFencedWriter,
  OpenReader,
} from "@hybridge/kafka";
import type { DeadLetters } from "../dead-letters.ts";
import { otherStreamsFound, partitionsDiffer, readingAll, resumed } from "../events.ts";
import type { Parcel } from "./lane.ts";
import { openPublisher, type Publisher, type PublisherOptions } from "./publisher.ts";
import { viewLog, type ResumePoint } from "./resume.ts";
import type { PostSource } from "../source.ts";
import type { StatusBoard } from "../status.ts";

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
  readonly partitions: number;
  readonly compression: NonNullable<FencedWriterOptions["compression"]>;
  readonly source: PostSource;
  readonly deadLetters: DeadLetters;
  readonly status: StatusBoard;
  readonly emit: Emit;
  readonly publishing: Pick<
    PublisherOptions,
    "lingerMs" | "batchBytesMax" | "bytesMax" | "startTrace"
  >;
}

/**
 * Takes the topic over, finds out which posts of the source it has, and appends the others in their
 * order until the source ends. Whatever goes wrong, the next session goes on exactly: the log is
 * the only record of what was done.
 *
 * 1. The fence: from here on no earlier owner can append, so what is read next is final.
 * 2. The end of each partition tells which posts it has (resume.ts).
 * 3. Those it lacks are appended in order, by one writer that repeats an append with the same
 *    sequence number until the broker has answered it.
 */
export async function runSession(options: SessionOptions, signal: AbortSignal): Promise<void> {
  const { source, status } = options;
  const ended = new AbortController();
  const own = AbortSignal.any([signal, ended.signal]);
  try {
    const taken = await takeOver(options, own);
    const { resume, partitions } = taken;
    await using writer = taken.writer;
    tellTakeOver(options, taken);
    using publisher = openPublisher({
      ...options.publishing,
      source,
      writer,
      partitions,
      onAcknowledged: (count) => status.addAcknowledged(count),
      onRefused: (parcel, error) => putAside(options, parcel, error, own),
    });
    status.beginSession(() => publisher.inFlight());
    status.become("RUNNING");
    await publishAll(options, publisher, resume, own);
  } finally {
    ended.abort(new DOMException("the session ended", "AbortError"));
  }
}

interface TakeOver {
  readonly writer: FencedWriter;
  readonly resume: ResumePoint;
  /** Of the topic, when it was taken over. */
  readonly partitions: number;
}

/** The fence, and what the log tells once it stands. */
async function takeOver(options: SessionOptions, signal: AbortSignal): Promise<TakeOver> {
  const { kafka, cluster, topic, source } = options;
  const { openReader } = kafka;
  using wait = watchWait(options);
  wait.begin(`make sure that ${topic} is there`);
  await kafka.createTopicIfMissing(cluster, { topic, partitions: options.partitions }, signal);
  const starts = await kafka.readOffsets(cluster, topic, signal);
  wait.begin(`take ${topic} over`);
  await using opened = new AsyncDisposableStack();
  const writer = opened.use(
    await kafka.openFencedWriter({
      cluster,
      transactionalId: `hybridge-ingest-${topic}`,
      topic,
      partitions: [...starts.keys()],
      compression: options.compression,
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
  const onReadAll = () => options.emit(readingAll(topic));
  const log = viewLog({ openReader, cluster, topic, ranges, onReadAll, signal });
  const resume = await source.findProgress(log, signal);
  opened.move();
  return { writer, resume, partitions: ranges.size };
}

async function publishAll(
  options: SessionOptions,
  publisher: Publisher,
  resume: ResumePoint,
  signal: AbortSignal,
): Promise<void> {
  const { source, status } = options;
  const watch = setInterval(watchStall(publisher, status), 1_000);
  try {
    for await (const { posts, passedOver } of source.posts(resume, signal)) {
      status.addPresent(passedOver);
      status.addPresent(await publisher.accept(posts, signal));
    }
    await publisher.settle(signal);
  } finally {
    clearInterval(watch);
  }
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

function tellTakeOver(options: SessionOptions, { resume, partitions }: TakeOver): void {
  const { emit, topic, source, status } = options;
  if (partitions !== options.partitions && status.tellOnce(`partitions ${partitions}`)) {
    emit(partitionsDiffer(topic, partitions, options.partitions));
  }
  emit(resumed(topic, source.name, resume));
  if (resume.otherStreams.length > 0) {
    emit(otherStreamsFound(topic, source.name, resume.otherStreams));
  }
}

/** A post that the broker refuses for its size: the topic's limit is below ours. */
async function putAside(
  { deadLetters, topic }: SessionOptions,
  { post }: Parcel,
  error: Error,
  signal: AbortSignal,
): Promise<void> {
  const { stream, place, mark, origin, value } = post;
  await deadLetters.add(
    {
      sequence: `${stream.name} refused`,
      ...place,
      mark,
      file: origin.file,
      line: origin.item,
      byteOffset: origin.byteOffset,
      code: "REFUSED",
      reason: `${describeError(error)}; check max.message.bytes of ${topic} and HYBRIDGE_POST_BYTES_MAX`,
      bytes: value,
      length: value.length,
    },
    signal,
  );
  await deadLetters.flush(signal);
}
