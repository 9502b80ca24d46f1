import type { FencedWriter, RecordToSend } from "@hybridge/kafka";
import type { RecordTrace } from "@hybridge/tracing";
import { headerNames } from "@hybridge/tweet";
import { openLane, type Lane, type LaneOptions, type Parcel } from "./lane.ts";
import { trackLoad, type Load } from "./load.ts";
import { partitionOfKey } from "./partition-of-key.ts";
import { WINDOW } from "./resume.ts";
import { formatSequence, isAfter, sequenceHeader } from "./sequence.ts";
import type { PostSource, SourcePost } from "../source.ts";

export interface PublisherOptions {
  readonly source: Pick<PostSource, "kind">;
  readonly writer: Pick<FencedWriter, "append">;
  /** Of the topic. */
  readonly partitions: number;
  readonly lingerMs: number;
  readonly batchBytesMax: number;
  /** Bytes of posts that are under way at most. */
  readonly bytesMax: number;
  /** Begins the trace of a new record; it ends when the record is acknowledged. */
  readonly startTrace: (post: SourcePost) => RecordTrace;
  readonly onAcknowledged: (count: number) => void;
  readonly onRefused: (parcel: Parcel, error: Error) => Promise<void>;
}

/** Spreads posts over the lanes of their partitions and bounds what is under way. */
export interface Publisher extends Disposable {
  /**
   * Takes posts on in their order, leaving out those that the topic has.
   *
   * @returns how many it left out, as soon as there is room for the rest
   * @throws what made a lane fail
   */
  accept(posts: readonly SourcePost[], signal: AbortSignal): Promise<number>;
  /** Resolves when everything that was accepted is settled. @throws what made a lane fail */
  settle(signal: AbortSignal): Promise<void>;
  inFlight(): number;
  /** How long the oldest batch has waited for its acknowledgement, in ms; 0 when none waits. */
  oldestWaitMs(): number;
}

export function openPublisher(options: PublisherOptions): Publisher {
  const load = trackLoad(options.bytesMax);
  const lanes = Array.from({ length: options.partitions }, (_, partition) =>
    openLane(laneOptions(options, partition, load)),
  );
  /** Ordinals below this fit into the window; recomputed only when one does not. */
  let windowEnd = -1;
  const hasRoom = (ordinal: number): boolean => {
    if (load.isFull()) return false;
    if (ordinal < windowEnd) return true;
    windowEnd = oldestOf(lanes, ordinal) + WINDOW;
    return ordinal < windowEnd;
  };
  return {
    async accept(posts, signal) {
      let leftOut = 0;
      for (const post of posts) {
        const key = Buffer.from(post.id);
        const partition = partitionOfKey(key, post.stream.partitions);
        const settled = post.stream.settled[partition];
        if (settled && !isAfter(post.place, settled)) {
          leftOut += 1;
          continue;
        }
        load.check(signal);
        while (!hasRoom(post.ordinal)) await load.change(signal);
        const parcel = parcelOf(post, key, options);
        load.add(parcel);
        lanes[partition]?.push(parcel);
      }
      return leftOut;
    },
    async settle(signal) {
      load.check(signal);
      while (load.posts() > 0) await load.change(signal);
    },
    inFlight: () => load.posts(),
    oldestWaitMs() {
      const since = lanes.flatMap((lane) => lane.waitingSince() ?? []);
      return since.length === 0 ? 0 : performance.now() - Math.min(...since);
    },
    [Symbol.dispose]() {
      for (const lane of lanes) lane.stop();
    },
  };
}

function laneOptions(options: PublisherOptions, partition: number, load: Load): LaneOptions {
  return {
    lingerMs: options.lingerMs,
    batchBytesMax: options.batchBytesMax,
    append: (records) => options.writer.append(partition, records),
    onAcknowledged: (parcels) => {
      for (const { trace } of parcels) trace.end();
      options.onAcknowledged(parcels.length);
      load.settle(parcels);
    },
    onRefused: async (parcel, error) => {
      await options.onRefused(parcel, error);
      load.settle([parcel]);
    },
    onFailure: (error) => load.fail(error),
  };
}

type Header = RecordToSend["headers"][number];

/** Key, headers and batch overhead of a record, roughly. */
const OVERHEAD_BYTES = 256;

function parcelOf(post: SourcePost, key: Buffer, options: PublisherOptions): Parcel {
  const { place, mark, stream } = post;
  const { name, partitions, before } = stream;
  const sequence = formatSequence({ stream: name, ...place, partitions, mark, before });
  const trace = options.startTrace(post);
  const headers: Header[] = [
    [headerNames.source, Buffer.from(options.source.kind)],
    [headerNames.schema, Buffer.from(post.schema)],
    ...(post.op === "delete" ? [[headerNames.op, Buffer.from(post.op)] as const] : []),
    [sequenceHeader, Buffer.from(sequence)],
    [headerNames.traceparent, Buffer.from(trace.traceparent)],
  ];
  return {
    post,
    ordinal: post.ordinal,
    // The wall clock, as every producer's: retention counts from it.
    record: { key, value: post.value, headers, timestampMs: Date.now() },
    bytes: post.value.length + key.length + OVERHEAD_BYTES,
    trace,
  };
}

function oldestOf(lanes: readonly Lane[], next: number): number {
  let oldest = next;
  for (const lane of lanes) oldest = Math.min(oldest, lane.oldest() ?? next);
  return oldest;
}
