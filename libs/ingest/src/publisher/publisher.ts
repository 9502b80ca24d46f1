import type { FencedWriter, RecordToSend } from "@hybridge/kafka";
import type { RecordTrace } from "@hybridge/tracing";
import { headerNames } from "@hybridge/tweet";
import type { Acknowledged, PartitionPlace } from "../spool/acknowledged.ts";
import type { SpooledRecord } from "../spool/format.ts";
import type { SpooledBatch } from "../spool/reader.ts";
import { openLane, type Lane, type LaneOptions, type Outgoing } from "./lane.ts";
import { trackLoad, type Load } from "./load.ts";
import { partitionOfKey } from "./partition-of-key.ts";
import { formatOrdinal, originHeader, sequenceHeader } from "./sequence.ts";
import { WINDOW, type Settled } from "./settled.ts";

export interface PublisherOptions {
  readonly spoolId: string;
  readonly topic: string;
  readonly writer: Pick<FencedWriter, "append">;
  /** What the topic has. */
  readonly settled: Settled;
  /** Of the topic. */
  readonly partitions: number;
  readonly lingerMs: number;
  readonly batchBytesMax: number;
  /** Bytes of records that are under way at most. */
  readonly bytesMax: number;
  /** Begins the trace of a new record; it ends when the record is acknowledged. */
  readonly startTrace: (key: string) => RecordTrace;
  readonly onAcknowledged: (count: number) => void;
  readonly onRefused: (outgoing: Outgoing, error: Error) => Promise<void>;
}

/** Spreads records over the lanes of their partitions and bounds what is under way. */
export interface Publisher extends Disposable {
  /**
   * Takes records on in their order, leaving out those that the topic has, as there is room for them.
   *
   * @throws what made a lane fail
   */
  accept(batch: SpooledBatch, signal: AbortSignal): Promise<void>;
  /** Resolves when everything that was accepted is settled. @throws what made a lane fail */
  settle(signal: AbortSignal): Promise<void>;
  /** How much the topic has, at this moment. */
  acknowledged(): Acknowledged;
  inFlight(): number;
  /** How long the oldest batch has waited for its acknowledgement, in ms; 0 when none waits. */
  oldestWaitMs(): number;
  /** Ends accept and settle with this error. */
  fail(error: unknown): void;
}

export function openPublisher(options: PublisherOptions): Publisher {
  const { settled } = options;
  const load = trackLoad(options.bytesMax);
  const places = new Map<number, PartitionPlace>(
    settled.places.map((place) => [place.partition, place]),
  );
  const lanes = Array.from({ length: options.partitions }, (_, partition) =>
    openLane(laneOptions(options, partition, load, (place) => places.set(partition, place))),
  );
  const had = Array.from({ length: options.partitions }, (_, partition) => {
    return places.get(partition)?.ordinal ?? -1;
  });
  /** Of the next record to accept. */
  let next = settled.ordinal;
  /** Ordinals below this fit into the window; recomputed only when one does not. */
  let windowEnd = -1;
  const hasRoom = (ordinal: number): boolean => {
    if (load.isFull()) return false;
    if (ordinal < windowEnd) return true;
    windowEnd = oldestOf(lanes, ordinal) + WINDOW;
    return ordinal < windowEnd;
  };
  return {
    async accept({ feed, source, partitions, records }, signal) {
      const spread = Math.min(partitions === 0 ? settled.partitions : partitions, lanes.length);
      const sourceName = Buffer.from(source);
      for (const record of records) {
        const { key, ordinal } = record;
        const partition = partitionOfKey(key, spread);
        if (ordinal > (had[partition] ?? -1)) {
          load.check(signal);
          while (!hasRoom(ordinal)) await load.change(signal);
          const outgoing = outgoingOf(record, feed, sourceName, options);
          load.add(outgoing);
          lanes[partition]?.push(outgoing);
        }
        next = ordinal + 1;
      }
    },
    async settle(signal) {
      load.check(signal);
      while (load.posts() > 0) await load.change(signal);
    },
    acknowledged: () => ({
      topic: options.topic,
      ordinal: oldestOf(lanes, next),
      partitions: settled.partitions,
      places: [...places.values()],
    }),
    inFlight: () => load.posts(),
    oldestWaitMs() {
      const since = lanes.flatMap((lane) => lane.waitingSince() ?? []);
      return since.length === 0 ? 0 : performance.now() - Math.min(...since);
    },
    fail: (error) => load.fail(error),
    [Symbol.dispose]() {
      for (const lane of lanes) lane.stop();
    },
  };
}

function laneOptions(
  options: PublisherOptions,
  partition: number,
  load: Load,
  onPlace: (place: PartitionPlace) => void,
): LaneOptions {
  return {
    lingerMs: options.lingerMs,
    batchBytesMax: options.batchBytesMax,
    append: (records) => options.writer.append(partition, records),
    onAcknowledged: (outgoing, offset) => {
      for (const { trace } of outgoing) trace.end();
      const ordinal = outgoing.at(-1)?.spooled.ordinal ?? -1;
      onPlace({ partition, ordinal, offset: String(offset + BigInt(outgoing.length)) });
      options.onAcknowledged(outgoing.length);
      load.settle(outgoing);
    },
    onRefused: async (outgoing, error) => {
      await options.onRefused(outgoing, error);
      load.settle([outgoing]);
    },
    onFailure: (error) => load.fail(error),
  };
}

type Header = RecordToSend["headers"][number];

/** Headers and batch overhead of a record, roughly. */
const OVERHEAD_BYTES = 256;

const schemaNames = new Map<string, Buffer>();
const DELETE = Buffer.from("delete");

function outgoingOf(
  spooled: SpooledRecord,
  feed: string,
  source: Buffer,
  options: PublisherOptions,
): Outgoing {
  const { key, value, origin, ordinal } = spooled;
  const trace = options.startTrace(key.toString());
  let schema = schemaNames.get(spooled.schema);
  if (!schema) schemaNames.set(spooled.schema, (schema = Buffer.from(spooled.schema)));
  const headers: Header[] = [
    [headerNames.source, source],
    [headerNames.schema, schema],
  ];
  if (spooled.op === "delete") headers.push([headerNames.op, DELETE]);
  headers.push([sequenceHeader, Buffer.from(formatOrdinal(options.spoolId, ordinal), "latin1")]);
  if (origin !== "") headers.push([originHeader, Buffer.from(origin, "latin1")]);
  headers.push([headerNames.traceparent, Buffer.from(trace.traceparent, "latin1")]);
  return {
    spooled,
    feed,
    // The wall clock, as every producer's: retention counts from it.
    record: { key, value, headers, timestampMs: Date.now() },
    bytes: value.length + key.length + OVERHEAD_BYTES,
    trace,
  };
}

/** Below this ordinal everything is settled. */
function oldestOf(lanes: readonly Lane[], next: number): number {
  let oldest = next;
  for (const lane of lanes) oldest = Math.min(oldest, lane.oldest() ?? next);
  return oldest;
}
