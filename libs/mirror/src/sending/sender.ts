import { failpoint, type MonotonicClock } from "@hybridge/core";
import {
  produceApi,
  readProduce,
  readProduceThrottle,
  writeProduce,
  type Cluster,
  type Connection,
  type ProducedPartition,
} from "@hybridge/kafka/raw";

/** One stamped batch on its way. */
export interface OutgoingBatch {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
  answered(answer: ProducedPartition): void;
  /** The outcome is unknown. */
  lost(error: Error): void;
}

/** Something that has batches for one broker. */
export interface BatchSource {
  /**
   * The next batch, stamped; undefined when there is none at the moment.
   *
   * @param roundTripMs the way to the broker when the number of requests in flight is what bounds
   *   the rate; 0 when it is not
   */
  nextBatch(roundTripMs: number): OutgoingBatch | undefined;
  readonly hasMore: boolean;
  lost(error: Error): void;
}

export interface SenderOptions {
  /** Requests in flight per broker, at most. Far more than a near broker needs. */
  readonly depth: number;
  /** Bytes of them per broker, at most: what bounds it when batches are large. */
  readonly inFlightBytesMax: number;
  /** A request takes no further batch from this size on. */
  readonly requestBytes: number;
  readonly timeoutMs: number;
  readonly clock: MonotonicClock;
}

/**
 * Connections per broker. A broker works through one connection in order, on one thread at a time,
 * and unpacks every batch to check it: one connection can use one of its cores (measured: half more
 * throughput with two). A partition stays on its connection, which keeps its order.
 */
const LANES = 2;
const ROUND_TRIP_WINDOW_MS = 30_000;
const PROBE_EVERY_MS = 5_000;
const PROBES = 4;

/** Sends what partitions have ready: per broker few connections, many requests in flight on each. */
export class Sender {
  readonly #cluster: Cluster;
  readonly #options: SenderOptions;
  readonly #signal: AbortSignal;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #lanes = new WeakMap<BatchSource, number>();
  #lanesGiven = 0;

  constructor(cluster: Cluster, options: SenderOptions, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#options = options;
    this.#signal = signal;
  }

  /** Says that a partition has something for the broker that leads it. */
  ready(leader: number, source: BatchSource): void {
    const lane = this.#laneOf(source);
    const key = `${leader}/${lane}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = new Pipeline(this.#cluster, { leader, lane }, this.#options, this.#signal);
      this.#pipelines.set(key, pipeline);
    }
    pipeline.ready(source);
  }

  /** In turn, so that the partitions of one busy topic are spread. */
  #laneOf(source: BatchSource): number {
    const known = this.#lanes.get(source);
    if (known !== undefined) return known;
    const lane = this.#lanesGiven++ % LANES;
    this.#lanes.set(source, lane);
    return lane;
  }
}

interface Place {
  readonly leader: number;
  readonly lane: number;
}

class Pipeline {
  readonly #cluster: Cluster;
  readonly #at: Place;
  readonly #options: SenderOptions;
  readonly #signal: AbortSignal;
  readonly #ready = new Set<BatchSource>();
  #connection: Connection | undefined;
  #isConnecting = false;
  #isScheduled = false;
  #inFlight = 0;
  #inFlightBytes = 0;
  #isBoundByCount = false;
  #probedAt = -Infinity;
  #throttledUntil = -Infinity;
  readonly #roundTrip: RecentMinimum;

  constructor(cluster: Cluster, at: Place, options: SenderOptions, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#at = at;
    this.#options = options;
    this.#signal = signal;
    this.#roundTrip = new RecentMinimum(ROUND_TRIP_WINDOW_MS, () => options.clock.monotonic());
  }

  ready(source: BatchSource): void {
    this.#ready.add(source);
    if (this.#isScheduled) return;
    // One answer of the source brings batches of many partitions: one request takes them all.
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isConnecting || this.#signal.aborted) return;
    if (this.#options.clock.monotonic() < this.#throttledUntil) return;
    if (!this.#connection?.alive) {
      if (this.#ready.size > 0) void this.#connect();
      return;
    }
    const depth = Math.ceil(this.#options.depth / LANES);
    const inFlightBytesMax = this.#options.inFlightBytesMax / LANES;
    while (this.#ready.size > 0 && this.#inFlightBytes < inFlightBytesMax) {
      if (this.#inFlight >= depth) {
        this.#isBoundByCount = true;
        return;
      }
      const batches = this.#load();
      if (batches.length > 0) this.#send(this.#connection, batches);
    }
    if (this.#inFlight * 2 < depth) this.#isBoundByCount = false;
  }

  /** One batch of each partition that has one, in turn, up to the size of a request. */
  #load(): OutgoingBatch[] {
    const batches: OutgoingBatch[] = [];
    const roundTripMs = this.#isBoundByCount ? this.#roundTrip.value : 0;
    let bytes = 0;
    for (const source of this.#ready) {
      // Taken out and put back at the end, so that the next request begins with the others.
      this.#ready.delete(source);
      const batch = source.nextBatch(roundTripMs);
      if (batch) {
        batches.push(batch);
        bytes += batch.batch.length;
      }
      if (bytes >= this.#options.requestBytes) {
        if (source.hasMore) this.#ready.add(source);
        break;
      }
      if (source.hasMore) putBack.push(source);
    }
    for (const source of putBack.splice(0)) this.#ready.add(source);
    return batches;
  }

  #send(connection: Connection, batches: readonly OutgoingBatch[]): void {
    const { timeoutMs } = this.#options;
    let bytes = 0;
    for (const { batch } of batches) bytes += batch.length;
    this.#inFlight += 1;
    this.#inFlightBytes += bytes;
    this.#probe();
    const answered = () => {
      this.#inFlight -= 1;
      this.#inFlightBytes -= bytes;
    };
    connection
      .request(produceApi, writeProduce(batches, timeoutMs), { timeoutMs: timeoutMs + 5_000 })
      .then((reader) => {
        const answers = readProduce(reader);
        this.#throttled(connection, readProduceThrottle(reader));
        return answers;
      })
      .then(
        (answers) => {
          answered();
          deliver(batches, answers);
        },
        (error: unknown) => {
          answered();
          for (const batch of batches) batch.lost(error as Error);
        },
      )
      .finally(() => this.#pump());
    failpoint("mirror.produce.sent");
  }

  /** A broker with a quota answers at once, and then reads nothing for a while: so long nothing goes. */
  #throttled(connection: Connection, forMs: number): void {
    if (forMs <= 0) return;
    connection.throttled(forMs);
    const { clock } = this.#options;
    const until = clock.monotonic() + forMs;
    if (until <= this.#throttledUntil) return;
    this.#throttledUntil = until;
    clock.sleep(forMs, this.#signal).then(
      () => {
        // A timer may be early by a moment: it ends the wait, and not the clock.
        if (this.#throttledUntil === until) this.#throttledUntil = -Infinity;
        this.#pump();
      },
      () => undefined,
    );
  }

  /**
   * Measures the way to the broker now and then, on a connection without a queue: the time of a
   * produce request says more about how busy the broker is than about how far.
   */
  #probe(): void {
    const at = this.#options.clock.monotonic();
    if (at - this.#probedAt < PROBE_EVERY_MS) return;
    this.#probedAt = at;
    const probe = async () => {
      const connection = await this.#cluster.connection(this.#at.leader, "control", this.#signal);
      for (let count = 0; count < PROBES; count++) {
        this.#roundTrip.add(await connection.ping(this.#signal));
      }
    };
    // A broker that does not answer here does not answer elsewhere either, and is noticed there.
    probe().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    this.#isConnecting = true;
    try {
      const { leader, lane } = this.#at;
      this.#connection = await this.#cluster.connection(leader, `produce-${lane}`, this.#signal);
      this.#connection.require(produceApi);
    } catch (error) {
      const waiting = [...this.#ready];
      this.#ready.clear();
      for (const source of waiting) source.lost(error as Error);
    } finally {
      this.#isConnecting = false;
    }
    this.#pump();
  }
}

/** The least of the values added within about the last `windowMs`. */
export class RecentMinimum {
  readonly #windowMs: number;
  readonly #now: () => number;
  #since = -Infinity;
  #current = Infinity;
  #previous = Infinity;

  constructor(windowMs: number, now: () => number) {
    this.#windowMs = windowMs;
    this.#now = now;
  }

  /** 0 when nothing was added yet. */
  get value(): number {
    const least = Math.min(this.#current, this.#previous);
    return least === Infinity ? 0 : least;
  }

  add(value: number): void {
    const at = this.#now();
    if (at - this.#since > this.#windowMs) {
      this.#previous = this.#current;
      this.#current = Infinity;
      this.#since = at;
    }
    if (value < this.#current) this.#current = value;
  }
}

/** Scratch space of Pipeline.#load, which does not wait and so is never run twice at once. */
const putBack: BatchSource[] = [];

function deliver(batches: readonly OutgoingBatch[], answers: readonly ProducedPartition[]): void {
  // The broker answers in the order of the request, unless it groups by topic: look it up then.
  for (const [index, batch] of batches.entries()) {
    const inPlace = answers[index];
    const answer =
      inPlace?.topic === batch.topic && inPlace.partition === batch.partition
        ? inPlace
        : answers.find(
            ({ topic, partition }) => topic === batch.topic && partition === batch.partition,
          );
    if (answer) batch.answered(answer);
    else batch.lost(new Error("the broker's answer leaves a partition out"));
  }
}
