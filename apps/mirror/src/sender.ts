import { failpoint } from "@hybridge/core";
import {
  produceApi,
  readProduce,
  writeProduce,
  type Cluster,
  type Connection,
  type ProducedPartition,
} from "@hybridge/kafka/raw";

/** One stamped batch on its way. */
export interface Shipment {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
  answered(answer: ProducedPartition): void;
  /** The outcome is unknown. */
  lost(error: Error): void;
}

/** Something that has batches for one broker. */
export interface Shipper {
  /**
   * The next batch, stamped; undefined when there is none at the moment.
   *
   * @param roundTripMs the way to the broker when the number of requests under way is what bounds
   *   the rate; 0 when it is not
   */
  ship(roundTripMs: number): Shipment | undefined;
  readonly hasMore: boolean;
  lost(error: Error): void;
}

export interface SenderOptions {
  /** Requests under way per broker, at most. Far more than a near broker needs. */
  readonly depth: number;
  /** Bytes of them per broker, at most: what bounds it when batches are large. */
  readonly underWayBytesMax: number;
  /** A request takes no further batch from this size on. */
  readonly requestBytes: number;
  readonly timeoutMs: number;
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

/** Sends what partitions have ready: per broker few connections, many requests under way on each. */
export class Sender {
  readonly #cluster: Cluster;
  readonly #options: SenderOptions;
  readonly #signal: AbortSignal;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #lanes = new WeakMap<Shipper, number>();
  #lanesGiven = 0;

  constructor(cluster: Cluster, options: SenderOptions, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#options = options;
    this.#signal = signal;
  }

  /** Says that a partition has something for the broker that leads it. */
  ready(leader: number, shipper: Shipper): void {
    const lane = this.#laneOf(shipper);
    const key = `${leader}/${lane}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = new Pipeline(this.#cluster, { leader, lane }, this.#options, this.#signal);
      this.#pipelines.set(key, pipeline);
    }
    pipeline.ready(shipper);
  }

  /** In turn, so that the partitions of one busy topic are spread. */
  #laneOf(shipper: Shipper): number {
    const known = this.#lanes.get(shipper);
    if (known !== undefined) return known;
    const lane = this.#lanesGiven++ % LANES;
    this.#lanes.set(shipper, lane);
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
  readonly #ready = new Set<Shipper>();
  #connection: Connection | undefined;
  #isConnecting = false;
  #isScheduled = false;
  #underWay = 0;
  #underWayBytes = 0;
  #isBoundByCount = false;
  #probedAt = -Infinity;
  readonly #roundTrip = new RecentMinimum(ROUND_TRIP_WINDOW_MS);

  constructor(cluster: Cluster, at: Place, options: SenderOptions, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#at = at;
    this.#options = options;
    this.#signal = signal;
  }

  ready(shipper: Shipper): void {
    this.#ready.add(shipper);
    if (this.#isScheduled) return;
    // One answer of the source brings batches of many partitions: let all of them board.
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isConnecting || this.#signal.aborted) return;
    if (!this.#connection?.alive) {
      if (this.#ready.size > 0) void this.#connect();
      return;
    }
    const depth = Math.ceil(this.#options.depth / LANES);
    const underWayBytesMax = this.#options.underWayBytesMax / LANES;
    while (this.#ready.size > 0 && this.#underWayBytes < underWayBytesMax) {
      if (this.#underWay >= depth) {
        this.#isBoundByCount = true;
        return;
      }
      const shipments = this.#load();
      if (shipments.length > 0) this.#send(this.#connection, shipments);
    }
    if (this.#underWay * 2 < depth) this.#isBoundByCount = false;
  }

  /** One batch of each partition that has one, in turn, up to the size of a request. */
  #load(): Shipment[] {
    const shipments: Shipment[] = [];
    const roundTripMs = this.#isBoundByCount ? this.#roundTrip.value : 0;
    let bytes = 0;
    for (const shipper of this.#ready) {
      // Taken out and put back at the end, so that the next request begins with the others.
      this.#ready.delete(shipper);
      const shipment = shipper.ship(roundTripMs);
      if (shipment) {
        shipments.push(shipment);
        bytes += shipment.batch.length;
      }
      if (bytes >= this.#options.requestBytes) {
        if (shipper.hasMore) this.#ready.add(shipper);
        break;
      }
      if (shipper.hasMore) waitingTurn.push(shipper);
    }
    for (const shipper of waitingTurn.splice(0)) this.#ready.add(shipper);
    return shipments;
  }

  #send(connection: Connection, shipments: readonly Shipment[]): void {
    const { timeoutMs } = this.#options;
    let bytes = 0;
    for (const { batch } of shipments) bytes += batch.length;
    this.#underWay += 1;
    this.#underWayBytes += bytes;
    this.#probe();
    const arrived = () => {
      this.#underWay -= 1;
      this.#underWayBytes -= bytes;
    };
    connection
      .request(produceApi, writeProduce(shipments, timeoutMs), { timeoutMs: timeoutMs + 5_000 })
      .then(readProduce)
      .then(
        (answers) => {
          arrived();
          deliver(shipments, answers);
        },
        (error: unknown) => {
          arrived();
          for (const shipment of shipments) shipment.lost(error as Error);
        },
      )
      .finally(() => this.#pump());
    failpoint("mirror.produce.sent");
  }

  /**
   * Measures the way to the broker now and then, on a connection without a queue: the time of a
   * produce request says more about how busy the broker is than about how far.
   */
  #probe(): void {
    const at = performance.now();
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
      for (const shipper of waiting) shipper.lost(error as Error);
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

  constructor(windowMs: number, now: () => number = () => performance.now()) {
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
const waitingTurn: Shipper[] = [];

function deliver(shipments: readonly Shipment[], answers: readonly ProducedPartition[]): void {
  // The broker answers in the order of the request, unless it groups by topic: look it up then.
  for (const [index, shipment] of shipments.entries()) {
    const inPlace = answers[index];
    const answer =
      inPlace?.topic === shipment.topic && inPlace.partition === shipment.partition
        ? inPlace
        : answers.find(
            ({ topic, partition }) => topic === shipment.topic && partition === shipment.partition,
          );
    if (answer) shipment.answered(answer);
    else shipment.lost(new Error("the broker's answer leaves a partition out"));
  }
}
