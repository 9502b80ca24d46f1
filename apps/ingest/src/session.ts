import { describeError, failpoint, type Emit } from "@hybridge/core";
import type {
  ClusterOptions,
  FencedWriter,
  FencedWriterOptions,
  OpenFencedWriter,
  OpenReader,
} from "@hybridge/kafka";
import type { DeadLetters } from "./dead-letters.ts";
import { deadLettered, otherStreamFound, resumed } from "./events.ts";
import type { Parcel } from "./lane.ts";
import { openPublisher, type Publisher, type PublisherOptions } from "./publisher.ts";
import { findResumePoint, type ResumePoint } from "./resume.ts";
import type { PostSource } from "./source.ts";
import type { StatusBoard } from "./status.ts";

/** What of libs/kafka a session uses. */
export interface KafkaPort {
  readonly openReader: OpenReader;
  readonly openFencedWriter: OpenFencedWriter;
  ensureTopic(
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
    const { writer: opened, resume } = await takeOver(options, own);
    await using writer = opened;
    tellResume(options, resume);
    using publisher = openPublisher({
      ...options.publishing,
      source,
      writer,
      resume,
      onAcknowledged: (count) => status.addAcknowledged(count),
      onRefused: (parcel, error) => putAside(options, parcel, error, own),
    });
    status.beginSession(() => publisher.inFlight());
    status.become("RUNNING");
    await publishAll(options, publisher, resume.from, own);
  } finally {
    ended.abort(new DOMException("the session ended", "AbortError"));
  }
}

interface TakeOver {
  readonly writer: FencedWriter;
  readonly resume: ResumePoint;
}

/** The fence, and what the log tells once it stands. */
async function takeOver(options: SessionOptions, signal: AbortSignal): Promise<TakeOver> {
  const { kafka, cluster, topic, source } = options;
  const { openReader } = kafka;
  using wait = watchWait(options);
  wait.begin(`make sure that ${topic} is there`);
  await kafka.ensureTopic(cluster, { topic, partitions: options.partitions }, signal);
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
  const { stream } = source;
  const resume = await findResumePoint({ openReader, cluster, topic, stream, ranges, signal });
  opened.move();
  return { writer, resume };
}

async function publishAll(
  options: SessionOptions,
  publisher: Publisher,
  from: number,
  signal: AbortSignal,
): Promise<void> {
  const { source, status } = options;
  const watch = setInterval(watchStall(publisher, status), 1_000);
  try {
    for await (const { posts, passedOver } of source.posts(from, signal)) {
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

function tellResume(options: SessionOptions, resume: ResumePoint): void {
  const { emit, topic, source } = options;
  emit(resumed(topic, source.stream, resume));
  if (resume.otherStream === undefined) return;
  emit(otherStreamFound(topic, source.stream, resume.otherStream));
}

/** A post that the broker refuses for its size: the topic's limit is below ours. */
async function putAside(
  options: SessionOptions,
  parcel: Parcel,
  error: Error,
  signal: AbortSignal,
): Promise<void> {
  const { source, deadLetters, status, emit, topic } = options;
  const bytes = parcel.record.value ?? Buffer.alloc(0);
  const letter = {
    file: source.stream,
    item: parcel.ordinal,
    byteOffset: 0,
    code: "REFUSED",
    reason: `${describeError(error)}; check max.message.bytes of ${topic} and HYBRIDGE_POST_BYTES_MAX`,
    bytes,
    length: bytes.length,
  };
  const isNew = await deadLetters.add(letter, signal);
  if (!isNew) return;
  status.addDeadLetter();
  emit(deadLettered(source.stream, parcel.ordinal, `REFUSED: ${describeError(error)}`));
}
